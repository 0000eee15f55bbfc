/** How fast something goes, and how long to wait before trying again. */

const WINDOW_MS = 4000

/** Bytes per second over the last few seconds. */
export class Speed {
  private samples: { readonly at: number; readonly bytes: number }[] = []

  /** Note a total and give the speed, or null while too little is known. */
  note(bytes: number, at: number): number | null {
    this.samples.push({ at, bytes })
    while (this.samples.length > 2 && at - (this.samples[0]?.at ?? at) > WINDOW_MS) this.samples.shift()
    const first = this.samples[0]
    if (!first || at - first.at < 200) return null
    return Math.max(0, ((bytes - first.bytes) * 1000) / (at - first.at))
  }

  reset(): void {
    this.samples = []
  }
}

/** Milliseconds before the next attempt: 1 s, 2 s, 4 s ... 30 s. */
export function backoff(attempt: number): number {
  return Math.min(30_000, 1000 * 2 ** attempt)
}
