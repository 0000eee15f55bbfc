import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const SRC = resolve(import.meta.dirname, '../src')
/** A room may import from itself and from these; what lies in `src` itself may import everything. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  model: [],
  api: ['model'],
  store: ['model', 'api'],
  worker: ['model'],
  tools: ['model', 'api', 'store'],
  canvas: ['model', 'api', 'store', 'worker'],
  panels: ['model', 'api', 'store', 'style'],
}
const OUTSIDE: Readonly<Record<string, RegExp>> = {
  model: /^$/,
  api: /^$/,
  store: /^(@preact\/signals|rbush)$/,
  worker: /^pbf$/,
  tools: /^rbush$/,
  canvas: /^(@preact\/signals|ol\/.+)$/,
  panels: /^(@preact\/signals|preact|preact\/hooks)$/,
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((path) => /\.(ts|tsx|css)$/.test(path))
const code = files.filter((path) => !path.endsWith('.css'))
const product = code.filter((path) => !path.endsWith('.test.ts'))

function importsOf(path: string): string[] {
  const text = readFileSync(join(SRC, path), 'utf8')
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '')
}

function roomOf(path: string): string {
  return path.includes('/') ? (path.split('/')[0] ?? '') : ''
}

describe('the floors', () => {
  it('are all named', () => {
    const rooms = new Set(product.map(roomOf).filter((room) => room !== ''))
    expect([...rooms].sort()).toEqual(Object.keys(BELOW).sort())
  })

  it.each(product.filter((path) => roomOf(path) !== ''))('%s imports only from below', (path) => {
    const room = roomOf(path)
    for (const name of importsOf(path)) {
      if (name.startsWith('.')) {
        const target = roomOf(relative(SRC, resolve(SRC, dirname(path), name)))
        expect([room, ...(BELOW[room] ?? [])], `${path} imports ${name}`).toContain(target)
      } else expect(name, `${path} imports ${name}`).toMatch(OUTSIDE[room] ?? /^$/)
    }
  })

  it('have no cycles', () => {
    const graph = new Map(
      product.map((path) => {
        const next = importsOf(path).filter((name) => name.startsWith('.'))
        const targets = next.map((name) => relative(SRC, resolve(SRC, dirname(path), name)))
        return [path, targets.flatMap((target) => product.filter((other) => other.replace(/\.tsx?$/, '') === target))]
      }),
    )
    const done = new Set<string>()
    const visit = (path: string, trail: readonly string[]): void => {
      expect(trail, `${[...trail, path].join(' > ')}`).not.toContain(path)
      if (done.has(path)) return
      for (const next of graph.get(path) ?? []) visit(next, [...trail, path])
      done.add(path)
    }
    for (const path of graph.keys()) visit(path, [])
  })
})

describe('files', () => {
  const lengthOf = (path: string): number => readFileSync(join(SRC, path), 'utf8').split('\n').length - 1

  it('are at most 500 lines long', () => {
    for (const path of files) expect(lengthOf(path), path).toBeLessThanOrEqual(500)
  })

  it('have a median of at most 100 lines', () => {
    const lengths = product.map(lengthOf).sort((a, b) => a - b)
    expect(lengths[Math.floor(lengths.length / 2)]).toBeLessThanOrEqual(100)
  })

  it('never reach out to other hosts', () => {
    for (const path of files) {
      const text = readFileSync(join(SRC, path), 'utf8').replace('http://same.site', '')
      if (!path.endsWith('.test.ts')) expect(text, path).not.toMatch(/https?:\/\//)
    }
  })
})
