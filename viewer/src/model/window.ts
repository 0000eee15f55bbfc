/** Which rows of a long list are in the page: those in sight and a few around them. */

export interface RowWindow {
  readonly from: number
  /** Behind the last one. */
  readonly to: number
}

/** Rows that are kept above and below what is in sight, so that a step does not show a gap. */
const SPARE = 8

/** The rows of a list of `count` that are shown when it is scrolled by `top`; lengths are CSS pixels. */
export function rowWindow(count: number, row: number, top: number, height: number): RowWindow {
  const first = Math.floor(Math.max(0, top) / row)
  const from = Math.max(0, Math.min(first, count) - SPARE)
  return { from, to: Math.min(count, Math.ceil((Math.max(0, top) + height) / row) + SPARE) }
}

/** Where to scroll so that a row is in sight; the list stays where it is when it is in sight already. */
export function scrollToRow(at: number, row: number, top: number, height: number): number {
  if (at * row < top) return at * row
  return (at + 1) * row > top + height ? (at + 1) * row - height : top
}
