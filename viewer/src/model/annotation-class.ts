/** Classes as the schema tells them, and the colours of what has none. */
import type { Color, Feature } from './geojson'

export interface AnnotationClass {
  readonly name: string
  readonly color: Color
  readonly value: number
  readonly priority: number
  readonly hotkey: string | null
}

export interface LayerInfo {
  readonly name: string
  readonly author: string
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

export function cssColor([r, g, b]: Color, alpha = 1): string {
  return alpha === 1 ? `rgb(${r} ${g} ${b})` : `rgb(${r} ${g} ${b} / ${alpha})`
}

/** Hotkeys of the palette: what the schema says first, the free digits 1-9 for the rest in order. */
export function paletteHotkeys(classes: readonly AnnotationClass[]): ReadonlyMap<string, string> {
  const keys = new Map<string, string>()
  const taken = new Set<string>()
  for (const { name, hotkey } of classes) {
    if (hotkey !== null && /^[1-9]$/.test(hotkey) && !taken.has(hotkey)) {
      keys.set(name, hotkey)
      taken.add(hotkey)
    }
  }
  const free = [...'123456789'].filter((digit) => !taken.has(digit))
  for (const { name } of classes) {
    if (!keys.has(name)) {
      const digit = free.shift()
      if (digit) keys.set(name, digit)
    }
  }
  return keys
}
