import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { DraftKeeper } from './draft-keeper'
import { Interaction } from './interaction'

class MemoryStorage implements Storage {
  private readonly items = new Map<string, string>()
  get length(): number {
    return this.items.size
  }
  clear = (): void => this.items.clear()
  getItem = (key: string): string | null => this.items.get(key) ?? null
  key = (index: number): string | null => [...this.items.keys()][index] ?? null
  removeItem = (key: string): void => void this.items.delete(key)
  setItem(key: string, value: string): void {
    this.items.set(key, value)
  }
}

const vertices = [
  [1.5, 2],
  [3, 4],
] as const

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

describe('a polygon in the making', () => {
  it('is there again after a reload, for the same reader and slide only', () => {
    const storage = new MemoryStorage()
    const interaction = new Interaction()
    const stop = new DraftKeeper('rk', 's', storage).follow(interaction)
    interaction.draft.value = { vertices, cursor: [9, 9], closing: false }
    // The pointer never rests.
    for (let i = 0; i < 10; i++) {
      vi.advanceTimersByTime(50)
      interaction.draft.value = { vertices, cursor: [i, i], closing: false }
    }
    expect(new DraftKeeper('rk', 's', storage).restore()).toEqual(vertices)
    expect(new DraftKeeper('rk', 't', storage).restore()).toBeNull()
    interaction.draft.value = null
    stop()
    expect(storage.length).toBe(0)
  })

  it('is lost quietly where storage is broken', () => {
    const storage = new MemoryStorage()
    storage.setItem('pathserve draft rk s', '{nonsense')
    expect(new DraftKeeper('rk', 's', storage).restore()).toBeNull()
    storage.setItem = () => {
      throw new DOMException('full', 'QuotaExceededError')
    }
    const interaction = new Interaction()
    const stop = new DraftKeeper('rk', 's', storage).follow(interaction)
    interaction.draft.value = { vertices, cursor: null, closing: false }
    expect(() => vi.advanceTimersByTime(1000)).not.toThrow()
    stop()
  })
})
