/** What the address bar holds: which page, which place of the slide and how it looks, what is hidden and selected. */
import { areChannels, formatChannels, formatDepth, type Look, parseChannels, parseDepth } from './look'
import { degreesOf, radiansOf, type View } from './view'

export type Route = { readonly page: 'gallery' | 'ingest' } | { readonly page: 'slide'; readonly id: string }

/** Address of the page where administrators add slides. */
export const INGEST_PATH = '/ingest'

export interface SlideUrlState {
  readonly view: Pick<View, 'x' | 'y' | 'zoom' | 'rotation'> | null
  readonly hidden: readonly string[]
  readonly selection: string | null
  readonly look: Look | null
  /** Whether the slide has all that the address wants shown. */
  readonly whole: boolean
}

/** What an address can be about. */
export interface LookLimits {
  readonly channels: number
  readonly planes: number
  readonly times: number
}

export function parseRoute(pathname: string): Route {
  if (pathname === INGEST_PATH) return { page: 'ingest' }
  const match = /^\/slides\/([^/]+)\/?$/.exec(pathname)
  if (!match?.[1]) return { page: 'gallery' }
  try {
    return { page: 'slide', id: decodeURIComponent(match[1]) }
  } catch {
    return { page: 'gallery' }
  }
}

export function slidePath(id: string): string {
  return `/slides/${encodeURIComponent(id)}`
}

function numberOf(params: URLSearchParams, name: string): number | null {
  const text = params.get(name)
  if (text === null || text.trim() === '') return null
  const value = Number(text)
  return Number.isFinite(value) ? value : null
}

function parseLook(params: URLSearchParams, { channels, planes, times }: LookLimits): { look: Look; whole: boolean } {
  const [c, plane, time] = [params.get('c') ?? '', params.get('plane'), numberOf(params, 'time') ?? 0]
  const depth = parseDepth(plane, planes)
  const hasTime = Number.isInteger(time) && time >= 0 && time < times
  return {
    look: {
      channels: parseChannels(c, channels),
      depth,
      time: hasTime ? time : 0,
      color: params.get('color') === 'source' ? 'source' : 'srgb',
    },
    whole: areChannels(c, channels) && hasTime && (plane === null || depth !== null),
  }
}

/** Read `?x=&y=&z=&rot=&c=&plane=&time=&color=&hide=&sel=`; what is incomplete or makes no sense is as good as none. */
export function parseSlideUrl(search: string, limits?: LookLimits): SlideUrlState {
  const params = new URLSearchParams(search)
  const [x, y, zoom] = [numberOf(params, 'x'), numberOf(params, 'y'), numberOf(params, 'z')]
  const rotation = radiansOf(numberOf(params, 'rot') ?? 0)
  const view = x !== null && y !== null && zoom !== null && zoom > 0 ? { x, y, zoom, rotation } : null
  const { look, whole } = limits ? parseLook(params, limits) : { look: null, whole: true }
  return { view, hidden: params.getAll('hide'), selection: params.get('sel'), look, whole }
}

function writeLook(params: URLSearchParams, { channels, depth, time, color }: Look): void {
  const texts = { c: formatChannels(channels), plane: formatDepth(depth), time: time === 0 ? '' : String(time) }
  for (const [name, text] of Object.entries(texts)) if (text !== '') params.set(name, text)
  if (color !== 'srgb') params.set('color', color)
}

/** Write the same; the place to 1/100 level-0 px, the zoom to six digits that matter. */
export function formatSlideUrl(state: Omit<SlideUrlState, 'whole'>): string {
  const params = new URLSearchParams()
  if (state.view) {
    params.set('x', String(Number(state.view.x.toFixed(2))))
    params.set('y', String(Number(state.view.y.toFixed(2))))
    params.set('z', String(Number(state.view.zoom.toPrecision(6))))
    const degrees = degreesOf(state.view.rotation)
    if (degrees !== 0) params.set('rot', String(degrees))
  }
  if (state.look) writeLook(params, state.look)
  for (const layer of state.hidden) params.append('hide', layer)
  if (state.selection !== null) params.set('sel', state.selection)
  // Colons and commas need no escape here, and people read addresses.
  const text = params.toString().replaceAll('%2C', ',').replaceAll('%3A', ':')
  return text === '' ? '' : `?${text}`
}

/** Stands for our own site while an address is taken apart. */
const SAME_SITE = 'http://same.site'

/** A same-site path to go to after signing in; anything else becomes the gallery. */
export function safeNext(next: string | null): string {
  if (next === null || !next.startsWith('/')) return '/'
  try {
    const url = new URL(next, SAME_SITE)
    return url.origin === SAME_SITE ? url.pathname + url.search + url.hash : '/'
  } catch {
    return '/'
  }
}

/** Address of the sign-in page; `ended` when there was a session until now. */
export function signInPath(next: string, ended: boolean): string {
  return `/sign-in?${new URLSearchParams({ next, ...(ended ? { ended: '1' } : {}) })}`
}

/** Whether the sign-in page's address says that there was a session until now. */
export function hasEnded(search: string): boolean {
  return new URLSearchParams(search).get('ended') === '1'
}

/** The one-time code in what somebody pasted: a whole link, its `#code`, or the code alone. */
export function codeOf(text: string): string {
  return text.trim().replace(/^.*#/s, '')
}
