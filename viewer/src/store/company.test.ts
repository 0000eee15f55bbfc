import { signal } from '@preact/signals'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { View } from '../model/view'
import { Company } from './company'

const seen = { account: 'ana', client: 'c1', x: 0, y: 0, width: 4, height: 4, rotation: 0 }
const change = { revision: 5, author: 'ana', ids: null, count: 3, box: [1, 2, 3, 4] as const }
let sent: Record<string, unknown>[] = []

beforeEach(() => {
  vi.useFakeTimers()
  sent = []
  vi.stubGlobal('navigator', { onLine: true })
  vi.stubGlobal('fetch', async (_: string, init: RequestInit) => {
    sent.push(JSON.parse(String(init.body)))
    return new Response(null, { status: 204 })
  })
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('company', () => {
  it('is everybody but this viewer, each account once', () => {
    const company = new Company('s', 'me')
    const own = { ...seen, account: 'me', client: company.client }
    company.tell([own])
    expect(company.accounts.value).toEqual([])
    company.tell([own, seen, { ...seen, client: 'c2' }, { ...seen, account: 'ben', client: 'c3' }])
    expect(company.accounts.value).toEqual(['ana', 'ben'])
    expect(company.others.value).toHaveLength(3)
  })

  it('is not the viewer that was in this tab before, but the same account elsewhere', () => {
    const kept = new Map<string, string>()
    const tab = {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => void kept.set(key, value),
      removeItem: (key: string) => void kept.delete(key),
    }
    const page = Object.assign(new EventTarget(), { hidden: false, defaultView: new EventTarget() })
    const before = new Company('s', 'me', tab)
    before.announce(signal<View | null>(null), page as unknown as Document)
    // A copy of a tab that is still open has nothing left to it.
    expect(kept.size).toBe(0)
    page.defaultView.dispatchEvent(new Event('pagehide'))
    const now = new Company('s', 'me', tab)
    expect(kept.size).toBe(0)
    const own = { ...seen, account: 'me' }
    now.tell([
      { ...own, client: before.client },
      { ...own, client: now.client },
    ])
    expect(now.others.value).toEqual([])
    now.tell([{ ...own, client: 'other window' }])
    expect(now.accounts.value).toEqual(['me'])
  })

  it('is told what others change, added up, and for a while', () => {
    const company = new Company('s', 'me')
    company.note({ ...change, author: 'me' })
    expect(company.news.value).toBeNull()
    company.note(change)
    company.note(change)
    expect(company.news.value).toEqual({ author: 'ana', count: 6 })
    company.note({ ...change, author: 'ben', count: 1 })
    expect(company.news.value).toEqual({ author: 'ben', count: 1 })
    vi.advanceTimersByTime(10_000)
    expect(company.news.value).toBeNull()
  })

  it('remembers where a revision has changed something', () => {
    const company = new Company('s', 'me')
    company.note({ ...change, author: 'me' })
    company.note({ ...change, box: [3, 0, 9, 3] })
    company.note({ ...change, revision: 6, box: null })
    expect(company.placeOf(5)).toEqual([1, 0, 9, 4])
    expect(company.placeOf(6)).toBeNull()
  })

  it('tells where this viewer looks: seldom while it moves, and again before it is forgotten', async () => {
    const company = new Company('s', 'me')
    const view = signal<View | null>(null)
    const page = { hidden: false }
    const stop = company.announce(view, page as Document)
    await vi.advanceTimersByTimeAsync(5000)
    expect(sent).toEqual([])
    view.value = { x: 100, y: 50, zoom: 2, rotation: 0, width: 80, height: 40 }
    await vi.advanceTimersByTimeAsync(1)
    expect(sent).toEqual([{ client: company.client, x: 80, y: 40, width: 40, height: 20, rotation: 0 }])
    for (let step = 0; step < 100; step++) {
      view.value = { x: step, y: 50, zoom: 2, rotation: 0, width: 80, height: 40 }
      await vi.advanceTimersByTimeAsync(10)
    }
    expect(sent.length).toBeLessThanOrEqual(3)
    await vi.advanceTimersByTimeAsync(500)
    expect(sent.at(-1)).toMatchObject({ x: 99 - 20 })
    const rested = sent.length
    await vi.advanceTimersByTimeAsync(9000)
    expect(sent).toHaveLength(rested + 2)
    page.hidden = true
    await vi.advanceTimersByTimeAsync(9000)
    expect(sent).toHaveLength(rested + 2)
    stop()
  })

  it('leaves a pause after each answer, also when the view has moved just before it', async () => {
    const [begun, ended]: [number[], number[]] = [[], []]
    const view = signal<View | null>(null)
    const move = (): void => {
      view.value = { x: begun.length, y: 50, zoom: 2, rotation: 0, width: 80, height: 40 }
    }
    vi.stubGlobal('fetch', async () => {
      begun.push(Date.now())
      await new Promise((resolve) => setTimeout(resolve, 100))
      move()
      ended.push(Date.now())
      return new Response(null, { status: 204 })
    })
    const stop = new Company('s', 'me').announce(view, { hidden: false } as Document)
    move()
    await vi.advanceTimersByTimeAsync(3000)
    expect(begun.length).toBeGreaterThan(3)
    for (const [at, moment] of begun.slice(1).entries()) {
      expect(moment - (ended[at] ?? 0)).toBeGreaterThanOrEqual(500)
    }
    stop()
  })
})
