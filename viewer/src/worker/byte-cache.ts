/** A cache that holds at most so many bytes and forgets first what was used longest ago. */
export class ByteCache<T extends { readonly byteLength: number }> {
  private readonly entries = new Map<string, T>()
  private held = 0

  constructor(private readonly budget: number) {}

  /** Bytes of all that is held. */
  get bytes(): number {
    return this.held
  }

  get size(): number {
    return this.entries.size
  }

  get(key: string): T | undefined {
    const entry = this.entries.get(key)
    if (entry === undefined) return undefined
    // A map keeps the order of insertion: what was used last stands last.
    this.entries.delete(key)
    this.entries.set(key, entry)
    return entry
  }

  /** Keep an entry; one that is larger than the whole budget is not kept. */
  put(key: string, entry: T): void {
    this.drop(key)
    if (entry.byteLength > this.budget) return
    this.entries.set(key, entry)
    this.held += entry.byteLength
    for (const oldest of this.entries.keys()) {
      if (this.held <= this.budget) return
      this.drop(oldest)
    }
  }

  private drop(key: string): void {
    const entry = this.entries.get(key)
    if (entry === undefined) return
    this.entries.delete(key)
    this.held -= entry.byteLength
  }
}
