/** Print what the first load of gallery and viewer weighs, gzipped; more than 200 kB fails. */
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const LIMIT = 200_000
const dist = new URL('../dist/', import.meta.url)
const read = (name) => readFileSync(new URL(name, dist), 'utf8')

/** Scripts and styles that a file names, and those that they name in turn. */
function loadedBy(name, seen = new Set()) {
  for (const [, found] of read(name).matchAll(/["'`(](?:\/assets\/|\.\/)([\w.-]+\.(?:js|css))/g)) {
    if (seen.has(found)) continue
    seen.add(found)
    loadedBy(found, seen)
  }
  return seen
}

const files = loadedBy('index.html')
let total = 0
for (const name of files) {
  const size = gzipSync(read(name)).length
  total += size
  console.log(`${(size / 1000).toFixed(1).padStart(8)} kB  ${name}`)
}
console.log(`${(total / 1000).toFixed(1).padStart(8)} kB  together (at most ${LIMIT / 1000})`)
process.exitCode = total > LIMIT ? 1 : 0
