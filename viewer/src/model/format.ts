/** Numbers as people read them. */

const whole = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 })
const tenths = new Intl.NumberFormat('en-GB', { minimumFractionDigits: 1, maximumFractionDigits: 1 })

export function formatCount(count: number): string {
  return whole.format(count)
}

/** One decimal, for coordinates under the pointer. */
export function formatTenths(value: number): string {
  return tenths.format(value)
}

/** Three digits that matter, with thousands separators: 0.214, 2.91, 48.2, 1,234. */
export function formatSignificant(value: number): string {
  if (value === 0) return '0'
  const digits = Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value)))))
  return value.toLocaleString('en-GB', { maximumFractionDigits: digits })
}

/** A length given in µm, as nm, µm or mm. */
export function formatLength(um: number): string {
  if (um >= 1000) return `${formatSignificant(um / 1000)} mm`
  if (um >= 1 || um === 0) return `${formatSignificant(um)} µm`
  return `${formatSignificant(um * 1000)} nm`
}

/** An area given in µm², as µm² or mm². */
export function formatArea(um2: number): string {
  return um2 >= 1e4 ? `${formatSignificant(um2 / 1e6)} mm²` : `${formatSignificant(um2)} µm²`
}

/** "1 annotation", "2 annotations". */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** Date and time of an RFC 3339 stamp in the reader's own zone, to the minute; an unreadable one is given as it is. */
export function formatTime(stamp: string): string {
  const time = new Date(stamp)
  if (Number.isNaN(time.getTime())) return stamp
  const pad = (value: number): string => String(value).padStart(2, '0')
  const day = `${time.getFullYear()}-${pad(time.getMonth() + 1)}-${pad(time.getDate())}`
  return `${day} ${pad(time.getHours())}:${pad(time.getMinutes())}`
}
