/** Numbers as people read them. */

/** With so many digits behind the point, and commas between thousands. `Intl` takes 30 ms for its first number. */
function fixed(value: number, digits: number): string {
  const [whole = '', fraction] = value.toFixed(digits).split('.')
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',')
  return fraction === undefined ? grouped : `${grouped}.${fraction}`
}

export function formatCount(count: number): string {
  return fixed(count, 0)
}

/** One decimal, for coordinates under the pointer. */
export function formatTenths(value: number): string {
  return fixed(value, 1)
}

/** Three digits that matter, with thousands separators: 0.214, 2.91, 48.2, 1,234. */
export function formatSignificant(value: number): string {
  if (value === 0) return '0'
  const digits = Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value)))))
  const text = fixed(value, digits)
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
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

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sept', 'Oct', 'Nov', 'Dec'] as const

/** A moment in few letters: the time of day when it was today, else the day, with the year when that is another one. */
export function formatMoment(stamp: string, now: Date): string {
  const time = new Date(stamp)
  if (Number.isNaN(time.getTime())) return stamp
  if (time.toDateString() === now.toDateString()) return formatTime(stamp).slice(-5)
  const day = `${time.getDate()} ${MONTHS[time.getMonth()]}`
  return time.getFullYear() === now.getFullYear() ? day : `${day} ${time.getFullYear()}`
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const

/** A size in bytes with three digits that matter: 512 B, 1.94 MB, 12.3 GB. */
export function formatBytes(bytes: number): string {
  const step = bytes < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3))
  return `${formatSignificant(bytes / 1000 ** step)} ${UNITS[step]}`
}

/** A time in seconds, roughly: 40 s, 12 min, 3 h. */
export function formatDuration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`
}
