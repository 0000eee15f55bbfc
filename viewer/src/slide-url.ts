/** Keep the address bar and the view in step, both ways. */
import { effect } from '@preact/signals'
import { formatSlideUrl, parseSlideUrl } from './model/url'
import type { Workspace } from './store/workspace'

/** The address follows the view after it has rested this long; browsers refuse more than 100 changes in 30 s. */
const REST_MS = 250
const NOT_WHOLE = 'The address asks for a channel, plane or time that this slide does not have. The rest is shown.'

export interface SlideUrl {
  /** Write the address now. */
  write(): void
  stop(): void
}

function addressOf(workspace: Workspace): string {
  const { view, interaction, display } = workspace
  const hidden = [...interaction.hiddenLayers.peek()]
  const [selection, look] = [interaction.selection.peek(), display.look.peek()]
  return location.pathname + formatSlideUrl({ view: view.view.peek(), hidden, selection, look })
}

/** Take what the address says about looks, layers and selection, and the view unless the page has just opened with it. */
export function readSlideUrl(workspace: Workspace, withView: boolean): void {
  const { channels, planes, times } = workspace.slide.peek()
  const limits = { channels: channels.length, planes, times }
  const { view, hidden, selection, look, whole } = parseSlideUrl(location.search, limits)
  if (!whole) workspace.editor.notice.value = NOT_WHOLE
  if (look) workspace.display.look.value = look
  workspace.interaction.hiddenLayers.value = new Set(hidden)
  workspace.interaction.selection.value = selection
  if (withView && view) workspace.view.show(view)
}

export function syncSlideUrl(workspace: Workspace): SlideUrl {
  const { view, interaction, display } = workspace
  let timer: ReturnType<typeof setTimeout> | undefined
  let jumps = view.jumps.peek()
  const write = (): void => {
    clearTimeout(timer)
    if (view.view.peek()) history.replaceState(null, '', addressOf(workspace))
  }
  const stop = effect(() => {
    void [view.view.value, interaction.hiddenLayers.value, interaction.selection.value, display.look.value]
    if (view.jumps.value !== jumps) {
      jumps = view.jumps.value
      write()
      history.pushState(null, '', location.href)
    }
    clearTimeout(timer)
    timer = setTimeout(write, REST_MS)
  })
  const back = (): void => {
    clearTimeout(timer)
    readSlideUrl(workspace, true)
  }
  window.addEventListener('popstate', back)
  return {
    write,
    stop: () => {
      stop()
      clearTimeout(timer)
      window.removeEventListener('popstate', back)
    },
  }
}
