/** Keeps an open slide's facts current while its levels are still being built. */
import { effect, type Signal } from '@preact/signals'
import { ApiError, NetworkError } from '../api/http'
import { getSlide } from '../api/slides'
import { isBuilding, type Slide } from '../model/slide'

const SOON_MS = 2000

/** Ask again every few seconds until the slide is ready; gives the function that ends it. */
export function followBuilding(slide: Signal<Slide>, rebuilt: Signal<number>): () => void {
  const abort = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const ask = async (): Promise<void> => {
    const { id } = slide.peek()
    try {
      const found = await getSlide(id)
      if (abort.signal.aborted) return
      slide.value = found
      rebuilt.value++
    } catch (error) {
      if (!(error instanceof ApiError || error instanceof NetworkError)) throw error
      if (!abort.signal.aborted) timer = setTimeout(ask, SOON_MS)
    }
  }
  // Every answer is a new object, so this runs again after each as long as there is something to wait for.
  const stop = effect(() => {
    clearTimeout(timer)
    if (isBuilding(slide.value)) timer = setTimeout(ask, SOON_MS)
  })
  return () => {
    abort.abort()
    clearTimeout(timer)
    stop()
  }
}
