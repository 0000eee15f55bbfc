/** What staff call patients, cases and slides that have pseudonyms; told to admins of all projects alone. */
import type { Slide } from './slide'

export type OriginalKind = 'patient' | 'case' | 'slide'

export interface Original {
  readonly kind: OriginalKind
  /** Null for a slide, whose id is its pseudonym wherever it moves. */
  readonly project: string | null
  readonly pseudonym: string
  readonly original: string
}

/** What one slide, its case and its patient are called; null where nothing is kept. */
export type SlideOriginals = Readonly<Record<OriginalKind, string | null>>

export const KIND_LABELS: Readonly<Record<OriginalKind, string>> = { patient: 'Patient', case: 'Case', slide: 'Slide' }

/** Fewer letters than this would find nearly everything; longer texts no original has. */
const FEWEST = 2
const MOST = 200

/** What to ask the server for when this stands in the search field; null for nothing. */
export function askable(search: string): string | null {
  const text = search.trim()
  const { length } = [...text]
  return length >= FEWEST && length <= MOST ? text : null
}

/**
 * Whether a text is found in the original itself, not only in the pseudonym, which everybody sees.
 *
 * The server takes more letters for equal than we do ("ß" and "ss"): what it has found for this very text
 * (`answers`), and not by the pseudonym, it has found by the original.
 */
function isNamed({ original, pseudonym }: Original, text: string, answers: boolean): boolean {
  const wanted = text.toLocaleLowerCase()
  if (original.toLocaleLowerCase().includes(wanted)) return true
  return answers && !pseudonym.toLocaleLowerCase().includes(wanted)
}

function keyOf(kind: OriginalKind, project: string | null, pseudonym: string): string {
  return JSON.stringify([kind, kind === 'slide' ? null : project, pseudonym])
}

function keysOf({ id, project, case: label, patient }: Slide): string[] {
  const keys = [keyOf('slide', null, id)]
  if (label) keys.push(keyOf('case', project, label))
  if (patient) keys.push(keyOf('patient', project, patient))
  return keys
}

/** The originals that an answer of the server holds, and the text that it answers. */
export interface Found {
  readonly text: string
  readonly originals: readonly Original[]
}

/** By slide, the originals by which a text finds it; an earlier answer serves until the text's own has come. */
export function namedSlides(
  slides: readonly Slide[],
  found: Found,
  text: string,
): ReadonlyMap<string, readonly Original[]> {
  const byKey = new Map<string, Original>()
  for (const original of found.originals) {
    if (!isNamed(original, text, found.text === text)) continue
    byKey.set(keyOf(original.kind, original.project, original.pseudonym), original)
  }
  const named = new Map<string, readonly Original[]>()
  if (byKey.size === 0) return named
  for (const slide of slides) {
    const by = keysOf(slide).flatMap((key) => byKey.get(key) ?? [])
    if (by.length > 0) named.set(slide.id, by)
  }
  return named
}
