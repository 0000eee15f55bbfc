import { describe, expect, it } from 'vitest'
import { type Look, ownLook } from './look'
import { codeOf, formatSlideUrl, hasEnded, parseRoute, parseSlideUrl, safeNext, signInPath, slidePath } from './url'

describe('routes', () => {
  it('are the gallery and slides', () => {
    expect(parseRoute('/')).toEqual({ page: 'gallery' })
    expect(parseRoute(slidePath('a/b c'))).toEqual({ page: 'slide', id: 'a/b c' })
    expect(parseRoute('/slides/x/')).toEqual({ page: 'slide', id: 'x' })
    expect(parseRoute('/slides/%E0%A4%A')).toEqual({ page: 'gallery' })
  })
})

describe('the address of a view', () => {
  const state = {
    view: { x: 12054.23, y: -3.5, zoom: 0.269848, rotation: Math.PI / 6 },
    hidden: ['Cells · model v3.1', 'a&b=c'],
    selection: '0badab34-8eb0-43ac-aeb5-eda28d3743f5',
    look: null,
  }
  const limits = { channels: 3, planes: 5, times: 3 }

  it('comes back as it was', () => {
    const back = parseSlideUrl(formatSlideUrl(state))
    expect(back.view?.rotation).toBeCloseTo(Math.PI / 6, 9)
    expect({ ...back, view: { ...back.view, rotation: 0 } }).toEqual({
      ...state,
      view: { ...state.view, rotation: 0 },
      whole: true,
    })
  })

  it('is short', () => {
    const view = { x: 1110.123456, y: 1483.5, zoom: 1 / 3, rotation: 0 }
    expect(formatSlideUrl({ view, hidden: [], selection: null, look: null })).toBe('?x=1110.12&y=1483.5&z=0.333333')
    expect(formatSlideUrl({ view: null, hidden: [], selection: null, look: null })).toBe('')
  })

  it('holds how the slide looks, beside the place', () => {
    const look: Look = {
      channels: [
        { shown: true, color: [255, 128, 0], window: [100, 4000], gamma: 0.8 },
        { shown: false, color: null, window: null, gamma: 1 },
        { shown: true, color: null, window: 'auto', gamma: 1 },
      ],
      depth: 'max',
      time: 2,
      color: 'source',
    }
    const address = formatSlideUrl({ view: { ...state.view, rotation: 0 }, hidden: [], selection: null, look })
    expect(address).toBe('?x=12054.23&y=-3.5&z=0.269848&c=0:ff8000:100-4000:0.8,2:auto&plane=max&time=2&color=source')
    expect(parseSlideUrl(address, limits)).toMatchObject({ look, whole: true })
  })

  it.each(['?plane=5&time=3&color=x', '?plane=-1&time=0.5', '?plane=&time=x&c='])(
    'shows a slide as it is where %s names nothing of it',
    (search) => {
      expect(parseSlideUrl(search, limits).look).toEqual(ownLook(3))
    },
  )

  it.each(['?c=3', '?c=0,99:auto', '?c=0:ff0000:5-5', '?plane=5', '?plane=4-2', '?time=3'])(
    'says that %s asks for more than the slide has',
    (search) => {
      expect(parseSlideUrl(search, limits).whole).toBe(false)
    },
  )

  it.each(['', '?c=none', '?c=2,0:auto:0.5', '?plane=4', '?plane=0-4', '?time=2', '?color=source'])(
    'finds all of %s',
    (search) => {
      expect(parseSlideUrl(search, limits).whole).toBe(true)
    },
  )

  it.each(['', '?x=1&y=2', '?x=1&y=2&z=0', '?x=1&y=2&z=-1', '?x=a&y=2&z=1', '?x=1&y=2&z=1e999', '?x=&y=2&z=1'])(
    'names no view in %s',
    (search) => {
      expect(parseSlideUrl(search).view).toBeNull()
    },
  )
})

describe('after signing in', () => {
  it.each([true, false])('one is where one was, and reads before that a session has ended (%s)', (ended) => {
    const { pathname, search } = new URL(signInPath('/slides/a b?x=1&y=2', ended), 'http://same.site')
    expect(pathname).toBe('/sign-in')
    expect(safeNext(new URLSearchParams(search).get('next'))).toBe('/slides/a%20b?x=1&y=2')
    expect(hasEnded(search)).toBe(ended)
  })

  it.each([
    ['/slides/a?x=1#b', '/slides/a?x=1#b'],
    [null, '/'],
    ['https://evil.example/', '/'],
    ['//evil.example/x', '/'],
    ['/\\evil.example', '/'],
    ['javascript:alert(1)', '/'],
  ])('%s leads to %s', (next, path) => {
    expect(safeNext(next)).toBe(path)
  })

  it('takes the code out of what was pasted', () => {
    expect(codeOf(' http://h:8000/sign-in#abc_1 ')).toBe('abc_1')
    expect(codeOf('#abc')).toBe('abc')
    expect(codeOf('abc')).toBe('abc')
  })
})
