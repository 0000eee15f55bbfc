/** Puts canvas, tools, keys, address bar and debugging surface of one open slide together, and apart again. */
import { effect } from '@preact/signals'
import { SlideCanvas } from './canvas/slide-canvas'
import { debugSurface } from './debug'
import type { CommandId } from './model/commands'
import { parseSlideUrl } from './model/url'
import { listenToKeys } from './panels/keyboard'
import { readSlideUrl, syncSlideUrl } from './slide-url'
import { DraftKeeper } from './store/draft-keeper'
import type { Workspace } from './store/workspace'
import type { ViewerContext } from './tools/tool'
import { Toolbox } from './tools/toolbox'

export interface MountedSlide {
  /** Give the tool in hand a key; true when it was meant for it. */
  toolKey(name: string): boolean
  /** Bring the address bar up to date now. */
  writeUrl(): void
  dispose(): void
}

function contextOf(workspace: Workspace): ViewerContext {
  const { interaction, objects, editor, view, picking } = workspace
  return {
    interaction,
    zoom: () => view.view.peek()?.zoom ?? 1,
    get: (id) => objects.get(id),
    hover: (place) => picking.hover(interaction.showObjects.peek() ? place : null),
    select: (place) => void picking.select(place),
    selectWithin: (ring) => void workspace.selectWithin(ring),
    mayEdit: (feature) => workspace.mayEdit(feature),
    create: (geometry) => {
      const active = interaction.activeClass.peek()
      const annotationClass = workspace.classMap.peek().get(active ?? '') ?? null
      return editor.create(geometry, annotationClass, workspace.targetLayer.peek())
    },
    reshape: (id, geometry) => editor.reshape(id, geometry),
  }
}

/** Take up the polygon that an earlier visit left unfinished; answers how to stop keeping it. */
function keepDraft(workspace: Workspace, toolbox: Toolbox): () => void {
  const keeper = new DraftKeeper(workspace.session.user, workspace.slide.peek().id, sessionStorage)
  const vertices = keeper.restore()
  if (vertices && workspace.canAnnotate) {
    workspace.interaction.tool.value = 'polygon'
    toolbox.polygon.resume(vertices)
  }
  const stop = keeper.follow(workspace.interaction)
  const leave = (): void => keeper.keep(workspace.interaction)
  window.addEventListener('pagehide', leave)
  return () => {
    window.removeEventListener('pagehide', leave)
    stop()
  }
}

export function mountSlide(
  target: HTMLElement,
  workspace: Workspace,
  run: (command: CommandId) => void,
  showFailedTiles: (count: number) => void,
): MountedSlide {
  const toolbox = new Toolbox(contextOf(workspace))
  // Before the canvas asks for its first tiles: the address may say that they look otherwise.
  readSlideUrl(workspace, false)
  const canvas = new SlideCanvas(target, workspace, toolbox, parseSlideUrl(location.search).view)
  workspace.view.attach(canvas)
  const ready = Promise.all([canvas.ready, workspace.start()])
    .then(() => canvas.settled())
    .then(() => {
      target.dataset.ready = 'true'
    })
  window.pathserve = debugSurface(workspace, ready)
  const url = syncSlideUrl(workspace)
  const retry = (): void => {
    canvas.tiles.retry()
    canvas.objects.retry()
    if (workspace.counts.state.peek() === 'failed') void workspace.reload()
  }
  window.addEventListener('online', retry)
  const stops = [
    keepDraft(workspace, toolbox),
    listenToKeys({ workspace, toolKey: (name) => toolbox.key(name), run }),
    effect(() => showFailedTiles(canvas.tiles.failed.value + canvas.objects.failed.value)),
    // Tiles that were not there yet are asked for again without anybody's doing.
    workspace.rebuilt.subscribe(() => {
      if (workspace.display.state.peek() === 'failed') void workspace.display.load()
      retry()
    }),
    () => window.removeEventListener('online', retry),
    () => url.stop(),
  ]
  return {
    toolKey: (name) => toolbox.key(name),
    writeUrl: () => url.write(),
    dispose: () => {
      for (const stop of stops) stop()
      workspace.view.attach(null)
      canvas.dispose()
      delete window.pathserve
    },
  }
}
