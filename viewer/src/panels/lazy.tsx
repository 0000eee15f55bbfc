import { useSignal } from '@preact/signals'
import type { ComponentType, JSX } from 'preact'
import { useEffect } from 'preact/hooks'

interface Props<P> {
  /** Fetches the part; the same function at each render. */
  readonly load: () => Promise<ComponentType<P>>
  readonly props: P & JSX.IntrinsicAttributes
}

/** A part of the page that is fetched when it is first shown. */
export function Lazy<P>({ load, props }: Props<P>): JSX.Element {
  const part = useSignal<ComponentType<P> | null>(null)
  const failed = useSignal(false)
  const fetchIt = (): void => {
    failed.value = false
    load().then(
      (loaded) => {
        part.value = loaded
      },
      () => {
        failed.value = true
      },
    )
  }
  useEffect(fetchIt, [load])
  const Part = part.value
  if (Part) return <Part {...props} />
  if (!failed.value) return <p class="note">Loading…</p>
  return (
    <p class="note note-bad" role="alert">
      This part of the page could not be loaded.{' '}
      <button type="button" class="link" onClick={fetchIt}>
        Try again
      </button>
    </p>
  )
}
