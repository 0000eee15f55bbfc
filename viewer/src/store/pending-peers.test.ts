import { afterEach, describe, expect, it, vi } from 'vitest'
import { PendingPeers } from './pending-peers'

const opened: PendingPeers[] = []

function windowOf(name: string, held: readonly string[], slide = 's', user = 'rk') {
  const left = vi.fn()
  const peers = new PendingPeers(user, slide, name, { held: () => held, left })
  opened.push(peers)
  return { peers, left }
}

afterEach(() => {
  for (const peers of opened.splice(0)) peers.dispose()
  vi.useRealTimers()
})

describe('windows of one account on one slide', () => {
  it('tell what they hold, and hear nothing of other slides and accounts', async () => {
    const { peers } = windowOf('a', ['mine'])
    windowOf('b', ['x', 'y'])
    windowOf('c', ['z'])
    windowOf('d', ['other slide'], 't')
    windowOf('e', ['other account'], 's', 'jd')
    expect([...((await peers.claimed()) ?? [])].sort()).toEqual(['x', 'y', 'z'])
  })

  it('ask one at a time: what is nobody’s is taken once', async () => {
    const all = ['b', 'a', 'c'].map((name) => windowOf(name, []).peers)
    const answers = await Promise.all(all.map((peers) => peers.claimed()))
    expect(answers.map((answer) => answer !== null)).toEqual([false, true, false])
  })

  it('let one go first that has asked first and listens later', async () => {
    const first = windowOf('a', []).peers.claimed()
    await new Promise((resolve) => setTimeout(resolve, 50))
    const second = windowOf('b', []).peers.claimed()
    expect([(await first) !== null, await second]).toEqual([true, null])
  })

  it('hear of one that goes, when it has had time to come back', async () => {
    const { left } = windowOf('a', [])
    windowOf('b', []).peers.leave()
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(left).not.toHaveBeenCalled()
    await vi.waitFor(() => expect(left).toHaveBeenCalledTimes(1), 4000)
  })
})
