/** A slide's facts in words, as cards and table show them. */
import { formatCount, formatSignificant, plural } from '../../model/format'
import { nativeMagnification } from '../../model/magnification'
import { mppOf, type Slide } from '../../model/slide'

export function pixelsText(slide: Slide): string {
  return `${formatCount(slide.width)} × ${formatCount(slide.height)} px`
}

/** Size in mm, or what is known about why there is none. */
export function millimetresText(slide: Slide): string {
  const mpp = mppOf(slide)
  if (!mpp) return slide.mpp_x === null ? 'size unknown' : 'size not credible'
  const [width, height] = [(slide.width * mpp.x) / 1000, (slide.height * mpp.y) / 1000]
  return `${formatSignificant(width)} × ${formatSignificant(height)} mm`
}

export function magnificationText(slide: Slide): string {
  const native = nativeMagnification(slide)
  return native === null ? '—' : `${formatSignificant(native)}×`
}

export function annotationsText(slide: Slide): string {
  return slide.annotations === 0 ? 'no annotations' : plural(slide.annotations, 'annotation')
}
