import type { JSX } from 'preact'

/** How much is done, 0 to 1; null while that is not known. */
export function Progress({ label, share }: { label: string; share: number | null }): JSX.Element {
  return share === null ? (
    <progress class="progress" aria-label={label} />
  ) : (
    <progress class="progress" aria-label={label} value={share} max={1} />
  )
}
