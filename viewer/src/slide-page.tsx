/** The slide page: opens the workspace of one slide and shows it. */
import { type Signal, useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { Session } from './api/session'
import { Brand, Message } from './panels/brand'
import { SlideView } from './panels/slide/slide-view'
import { runCommand } from './slide-commands'
import { type MountedSlide, mountSlide } from './slide-mount'
import { openWorkspace, type Workspace } from './store/workspace'
import './style/slide.css'
import './style/panel.css'
import './style/layers.css'
import './style/display.css'

interface OpenSlide {
  readonly workspace: Workspace
  readonly panelOpen: Signal<boolean>
  readonly helpOpen: Signal<boolean>
}

function OpenSlidePage({ workspace, panelOpen, helpOpen }: OpenSlide): JSX.Element {
  const target = useRef<HTMLDivElement | null>(null)
  const mounted = useRef<MountedSlide | null>(null)
  const failedTiles = useSignal<number>(0)
  const toolKey = (name: string): boolean => mounted.current?.toolKey(name) ?? false
  const run = (command: Parameters<typeof runCommand>[1]): void =>
    runCommand(workspace, command, {
      help: () => {
        helpOpen.value = true
      },
      panel: () => {
        panelOpen.value = !panelOpen.value
      },
      undoStep: () => toolKey('Undo'),
    })

  useEffect(() => {
    if (!target.current) return
    const slide = mountSlide(target.current, workspace, run, (count) => {
      failedTiles.value = count
    })
    mounted.current = slide
    return () => slide.dispose()
  }, [workspace])

  return (
    <SlideView
      workspace={workspace}
      canvas={target}
      run={run}
      panelOpen={panelOpen}
      helpOpen={helpOpen}
      failedTiles={failedTiles}
      toolKey={toolKey}
      beforeShare={() => mounted.current?.writeUrl()}
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
