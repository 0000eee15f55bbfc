/** The slide page: opens the workspace and puts canvas, tools and panels together. */
import { type Signal, useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { Session } from './api/session'
import { SlideCanvas } from './canvas/slide-canvas'
import { debugSurface } from './debug'
import { parseSlideUrl } from './model/url'
import { Brand, Message } from './panels/brand'
import { listenToKeys } from './panels/keyboard'
import { SlideView } from './panels/slide/slide-view'
import { runCommand } from './slide-commands'
import { readSlideUrl, type SlideUrl, syncSlideUrl } from './slide-url'
import { openWorkspace, type Workspace } from './store/workspace'
import { Toolbox } from './tools/toolbox'
import type { ViewerContext } from './tools/tool'
import './style/slide.css'
import './style/panel.css'

function contextOf(workspace: Workspace): ViewerContext {
  const { interaction, objects, editor, view } = workspace
  return {
    interaction,
    zoom: () => view.view.peek()?.zoom ?? 1,
    get: (id) => objects.get(id),
    hit: (p, reach) => objects.hit(p, reach, workspace.visible),
    mayEdit: (feature) => workspace.mayEdit(feature),
    create: (geometry) => {
      const active = interaction.activeClass.peek()
      return editor.create(geometry, workspace.classMap.peek().get(active ?? '') ?? null)
    },
    reshape: (id, geometry) => editor.reshape(id, geometry),
    delete: () => workspace.deleteSelected(),
  }
}

interface OpenSlide {
  readonly workspace: Workspace
  readonly panelOpen: Signal<boolean>
  readonly helpOpen: Signal<boolean>
}

function OpenSlidePage({ workspace, panelOpen, helpOpen }: OpenSlide): JSX.Element {
  const target = useRef<HTMLDivElement | null>(null)
  const url = useRef<SlideUrl | null>(null)
  const failedTiles = useSignal<number>(0)
  const run = (command: Parameters<typeof runCommand>[1]): void =>
    runCommand(workspace, command, {
      help: () => {
        helpOpen.value = true
      },
      panel: () => {
        panelOpen.value = !panelOpen.value
      },
    })

  useEffect(() => {
    if (!target.current) return
    const toolbox = new Toolbox(contextOf(workspace))
    const canvas = new SlideCanvas(target.current, workspace, toolbox, parseSlideUrl(location.search).view)
    workspace.view.attach(canvas)
    readSlideUrl(workspace, false)
    const started = workspace.start()
    const element = target.current
    const ready = Promise.all([canvas.ready, started]).then(() => {
      element.dataset['ready'] = 'true'
    })
    window.pathserve = debugSurface(workspace, ready)
    url.current = syncSlideUrl(workspace)
    const stopKeys = listenToKeys({ workspace, toolKey: (name) => toolbox.key(name), run })
    const stopTiles = canvas.tiles.failed.subscribe((count) => {
      failedTiles.value = count
    })
    const retry = (): void => canvas.tiles.retry()
    window.addEventListener('online', retry)
    return () => {
      window.removeEventListener('online', retry)
      stopTiles()
      stopKeys()
      url.current?.stop()
      workspace.view.attach(null)
      canvas.dispose()
      delete window.pathserve
    }
  }, [workspace])

  return (
    <SlideView
      workspace={workspace}
      canvas={target}
      run={run}
      panelOpen={panelOpen}
      helpOpen={helpOpen}
      failedTiles={failedTiles}
      beforeShare={() => url.current?.write()}
    />
  )
}

export function SlidePage({ id, session }: { id: string; session: Session }): JSX.Element {
  const workspace = useSignal<Workspace | null>(null)
  const failure = useSignal('')
  const panelOpen = useSignal(window.matchMedia('(min-width: 721px)').matches)
  const helpOpen = useSignal(false)
  useEffect(() => {
    let gone = false
    failure.value = ''
    openWorkspace(id, session).then(
      (opened) => {
        if (gone) return
        workspace.value = opened
        document.title = `${opened.slide.peek().name} · PathServe`
      },
      (error: unknown) => {
        failure.value = error instanceof Error ? error.message : 'The slide could not be opened.'
      },
    )
    return () => {
      gone = true
      workspace.peek()?.dispose()
      workspace.value = null
    }
  }, [id])

  if (workspace.value) {
    return <OpenSlidePage key={id} workspace={workspace.value} panelOpen={panelOpen} helpOpen={helpOpen} />
  }
  return (
    <div class="page">
      <header class="top-bar">
        <Brand crumbs={[{ label: 'Slides', href: '/' }]} />
      </header>
      {failure.value === '' ? (
        <Message title="Opening the slide…" />
      ) : (
        <Message title="This slide cannot be shown.">
          <p>{failure.value}</p>
          <a class="button" href="/">
            All slides
          </a>
        </Message>
      )}
    </div>
  )
}
