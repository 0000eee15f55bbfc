/** The gallery's second search, for admins: by what staff call a patient, a case or a slide. Held in memory alone. */
import { effect, type ReadonlySignal, signal } from '@preact/signals'
import { searchOriginals } from '../api/originals'
import { askable, type Found } from '../model/originals'

/** How long somebody stops typing before the server is asked. */
const PAUSE_MS = 300
/** More originals than these are no answer to anybody. */
const MOST_FOUND = 1000

const NOTHING: Found = { text: '', originals: [] }

export class OriginalSearch {
  readonly found = signal<Found>(NOTHING)
  /** What to know about the answer: that it is not all, or that there is none. */
  readonly caveat = signal('')

  /** Ask whenever somebody has stopped typing; gives the function that ends it and forgets what was found. */
  follow(search: ReadonlySignal<string>): () => void {
    const stop = effect(() => {
      const text = askable(search.value)
      this.caveat.value = ''
      if (text === null) {
        this.found.value = NOTHING
        return
      }
      const outdated = new AbortController()
      const timer = setTimeout(() => void this.ask(text, outdated.signal), PAUSE_MS)
      return () => {
        clearTimeout(timer)
        outdated.abort()
      }
    })
    return () => {
      stop()
      this.found.value = NOTHING
      this.caveat.value = ''
    }
  }

  private async ask(text: string, outdated: AbortSignal): Promise<void> {
    try {
      const { items, next } = await searchOriginals(text, MOST_FOUND, outdated)
      if (outdated.aborted) return
      this.found.value = { text, originals: items }
      if (next !== null) this.caveat.value = 'More original names match than are looked at; type more of the name.'
    } catch {
      // Whatever went wrong, the search among the loaded slides goes on.
      if (!outdated.aborted) this.caveat.value = 'Original names cannot be searched now.'
    }
  }
}
