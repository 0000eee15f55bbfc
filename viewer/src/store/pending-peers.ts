/** Windows of one account on one slide share what waits on disk: they ask each other whose is what. */

type Word =
  | { readonly kind: 'whose'; readonly from: string }
  | { readonly kind: 'mine'; readonly ids: readonly string[] }
  /** A window goes: what it has left is nobody's. */
  | { readonly kind: 'left' }

/** How long the others have to answer. */
const ANSWER_MS = 500
/** A window that is loaded anew takes up itself what it has left. */
const RELOAD_MS = 2000

export interface PeerParts {
  /** Ids of the changes that this window holds. */
  readonly held: () => readonly string[]
  /** Told when a window has gone and not come back. */
  readonly left: () => void
}

export class PendingPeers {
  private readonly channel: BroadcastChannel
  private readonly claims = new Set<string>()
  /** Whether another window asks too, whose turn it is. */
  private isSecond = false
  private timer: ReturnType<typeof setTimeout> | undefined
  private asking: Promise<ReadonlySet<string> | null> | null = null

  constructor(
    user: string,
    slide: string,
    private readonly name: string,
    private readonly parts: PeerParts,
  ) {
    this.channel = new BroadcastChannel(JSON.stringify(['pathserve pending', user, slide]))
    this.channel.onmessage = ({ data }: MessageEvent<Word>) => this.hear(data)
  }

  /** Ids of what other windows hold; null when another one asks at the same time and is to take what is nobody's. */
  claimed(): Promise<ReadonlySet<string> | null> {
    this.asking ??= this.ask().finally(() => {
      this.asking = null
    })
    return this.asking
  }

  /** Say that this window goes. */
  leave(): void {
    this.say({ kind: 'left' })
  }

  dispose(): void {
    clearTimeout(this.timer)
    this.leave()
    this.channel.close()
  }

  private async ask(): Promise<ReadonlySet<string> | null> {
    this.claims.clear()
    this.isSecond = false
    this.say({ kind: 'whose', from: this.name })
    await new Promise((resolve) => setTimeout(resolve, ANSWER_MS))
    return this.isSecond ? null : new Set(this.claims)
  }

  private hear(word: Word): void {
    if (word.kind === 'left') {
      clearTimeout(this.timer)
      this.timer = setTimeout(this.parts.left, RELOAD_MS)
    } else if (word.kind === 'mine') for (const id of word.ids) this.claims.add(id)
    else {
      this.say({ kind: 'mine', ids: this.parts.held() })
      if (this.asking) {
        if (word.from < this.name) this.isSecond = true
        // It may have begun to listen after this one had asked.
        else this.say({ kind: 'whose', from: this.name })
      }
    }
  }

  private say(word: Word): void {
    this.channel.postMessage(word)
  }
}
