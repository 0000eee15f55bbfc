/** Conditions of the table as readers write them: areas in the unit that the table shows. */
import type { Mpp } from './geometry'

/** Texts, names in quotes and names of several parts as they are, so that what is left of `area` is the object's own. */
const PART =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"(?:\s*\.\s*(?:"(?:[^"]|"")*"|\w+))*|[^\W\d]\w*(?:\s*\.\s*(?:"(?:[^"]|"")*"|\w+))*/gu

/** Whether a condition asks for areas. */
export function asksForArea(condition: string): boolean {
  return condition.match(PART)?.some(isArea) ?? false
}

/** The condition for the server, which counts areas in square level-0 pixels; without a pixel size it is the same. */
export function forServer(condition: string, mpp: Mpp | null): string {
  if (!mpp) return condition
  return condition.replace(PART, (part) => (isArea(part) ? `(area * ${mpp.x * mpp.y})` : part))
}

/** Say a place of the server's condition as the one of the reader's. */
export function inReadersPlaces(problem: string, condition: string, mpp: Mpp | null): string {
  return problem.replace(/(\bcharacter )(\d+)/, (_, word: string, place: string) => {
    return `${word}${readersPlace(Number(place), condition, mpp)}`
  })
}

function isArea(part: string): boolean {
  return part === 'area' || part === '"area"'
}

/** Where a character (from 1) of the server's condition stands in the reader's. */
function readersPlace(place: number, condition: string, mpp: Mpp | null): number {
  let longer = 0
  for (const { 0: part, index } of condition.matchAll(PART)) {
    const grown = forServer(part, mpp).length - part.length
    if (grown === 0) continue
    const start = index + longer + 1
    if (place < start) break
    if (place < start + part.length + grown) return index + 1
    longer += grown
  }
  return place - longer
}
