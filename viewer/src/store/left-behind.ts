/** What earlier visits, and windows that have gone, have left unsaved on disk: it is shown and sent by an open window. */
import { getAnnotation } from '../api/annotations'
import type { Editor } from './editor'
import type { GroupEditor } from './group-editor'
import { isGroup, type Pending } from './pending'
import { PendingPeers } from './pending-peers'
import type { SaveQueue } from './queue'
import type { Touched } from './touched'

export interface LeftBehindParts {
  readonly user: string
  readonly slide: string
  /** The name of this window, which no other one has. */
  readonly name: string
  readonly queue: SaveQueue
  readonly editor: Editor
  readonly groups: GroupEditor
  readonly touched: Touched
}

export class LeftBehind {
  private readonly peers: PendingPeers

  constructor(private readonly parts: LeftBehindParts) {
    const { user, slide, name, queue } = parts
    this.peers = new PendingPeers(user, slide, name, { held: () => queue.held(), left: () => void this.takeUp() })
  }

  /** Show and send what earlier visits have left. */
  async restore(): Promise<void> {
    const { queue, editor, groups } = this.parts
    const left = await queue.restore()
    editor.overlay(left)
    groups.restore()
    this.learnBefore(left)
    void queue.flush()
  }

  /** Send when the network is back, and look for what another window has left, until the answer is called. */
  follow(page: Window): () => void {
    const { queue } = this.parts
    const online = (): void => {
      void queue.flush()
      void this.takeUp()
    }
    const focus = (): void => void this.takeUp()
    const hide = (): void => this.peers.leave()
    const leaving = (event: BeforeUnloadEvent): void => {
      if (!queue.durable.peek() && queue.waiting.peek() > 0) event.preventDefault()
    }
    page.addEventListener('online', online)
    page.addEventListener('focus', focus)
    page.addEventListener('pagehide', hide)
    page.addEventListener('beforeunload', leaving)
    return () => {
      page.removeEventListener('online', online)
      page.removeEventListener('focus', focus)
      page.removeEventListener('pagehide', hide)
      page.removeEventListener('beforeunload', leaving)
      this.peers.dispose()
    }
  }

  /** Show and send what windows that have gone have left. */
  private async takeUp(): Promise<void> {
    const { queue, editor, groups } = this.parts
    const records = await queue.adopt(() => this.peers.claimed())
    if (records.length === 0) return
    const singles = records.filter((record): record is Pending => !isGroup(record))
    editor.overlay(singles)
    groups.restore(records.filter(isGroup))
    this.learnBefore(singles)
    void queue.flush()
  }

  /** Find out what the server has of these objects. */
  private learnBefore(records: readonly Pending[]): void {
    for (const { id, known } of records) {
      if (known === null) continue
      getAnnotation(id).then(
        ({ feature }) => this.parts.touched.learn(id, feature),
        // It is gone there, or cannot be had now: then nothing of it is in the tiles that could be had.
        () => undefined,
      )
    }
  }
}
