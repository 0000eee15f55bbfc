/** Classes as the schema tells them, and the colours of what has none. */
import type { Color, Feature } from './geojson'

/** What a class means in a terminology; `system` is a designator of DICOM, such as SCT for SNOMED CT. */
export interface CodedTerm {
  readonly system: string
  readonly code: string
  readonly meaning: string
}

export interface AnnotationClass {
  readonly name: string
  readonly color: Color
  readonly value: number
  readonly priority: number
  readonly hotkey: string | null
  readonly code?: CodedTerm | null
}

export type LayerKind = 'author' | 'task' | 'model' | 'imported'

export interface LayerInfo {
  readonly name: string
  readonly author: string
  readonly kind?: LayerKind
  readonly annotations: number
}

/** Colour of an object without a class; light, so that it is seen on stained tissue beside the class colours. */
export const UNCLASSIFIED: Color = [226, 232, 240]

export function classNameOf(feature: Feature): string | null {
  return feature.properties.classification?.name ?? null
}

/** The schema's colour of the feature's class, else the one that the feature brings along. */
export function colorOf(feature: Feature, classes: ReadonlyMap<string, AnnotationClass>): Color {
  const classification = feature.properties.classification
  if (!classification) return UNCLASSIFIED
  return classes.get(classification.name)?.color ?? classification.color ?? UNCLASSIFIED
}

/** Colours for classes that readers add: apart from each other, and from pink and violet tissue. */
const NEW_COLORS: readonly Color[] = [
  [255, 107, 94],
  [95, 211, 138],
  [77, 141, 255],
  [245, 196, 81],
  [192, 90, 230],
  [64, 224, 208],
  [255, 159, 64],
  [170, 220, 50],
]

/** A class that the schema does not have yet; the server adds it with its first annotation. */
export function newClass(name: string, classes: readonly AnnotationClass[]): AnnotationClass {
  const taken = new Set(classes.map(({ color }) => color.join()))
  const free = NEW_COLORS.find((color) => !taken.has(color.join()))
  const color = free ?? NEW_COLORS[classes.length % NEW_COLORS.length] ?? UNCLASSIFIED
  return { name, color, value: 0, priority: 0, hotkey: null }
}

/** So many classes are shown without asking whether they have objects. */
const FEW_CLASSES = 9

/** The classes to show at once, in their order: all of a few, else those in use. */
export function usedFirst(
  classes: readonly AnnotationClass[],
  isUsed: (name: string) => boolean,
): { readonly used: readonly AnnotationClass[]; readonly others: readonly AnnotationClass[] } {
  if (classes.length <= FEW_CLASSES) return { used: classes, others: [] }
  const used = classes.filter(({ name }) => isUsed(name))
  return { used, others: classes.filter((entry) => !used.includes(entry)) }
}

export function cssColor([r, g, b]: Color, alpha = 1): string {
  return alpha === 1 ? `rgb(${r} ${g} ${b})` : `rgb(${r} ${g} ${b} / ${alpha})`
}

/**
 * Hotkeys of the palette: what the schema says, and for the rest the digit of their place. So a key means the same when
 * another class gets another key, or a class is added: who reads by keys alone would not see that. A class whose digit
 * is taken gets one that was nobody's place, as long as there is one.
 */
export function paletteHotkeys(classes: readonly AnnotationClass[]): ReadonlyMap<string, string> {
  const keys = new Map<string, string>()
  const free = new Set('123456789')
  const give = (name: string, digit: string | undefined): void => {
    if (digit !== undefined && !keys.has(name) && free.delete(digit)) keys.set(name, digit)
  }
  for (const { name, hotkey } of classes) if (hotkey !== null) give(name, hotkey)
  classes.forEach(({ name }, at) => {
    give(name, String(at + 1))
  })
  for (const { name } of classes) {
    if (keys.has(name)) continue
    const [first] = free
    give(name, [...free].find((digit) => Number(digit) > classes.length) ?? first)
  }
  return keys
}
