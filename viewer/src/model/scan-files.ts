/** Which of the chosen files belong together: a scan of one file travels alone, one of many files as a set. */

export interface ChosenFile {
  readonly file: File
  /** Relative path with `/`; for a file that was chosen by itself its name. */
  readonly path: string
}

export interface ScanFiles {
  /** What the page calls it; never sent. */
  readonly label: string
  readonly files: readonly ChosenFile[]
  /** Whether the files go as a set, with their relative paths. */
  readonly isSet: boolean
}

/** Formats that hold a whole scan in one file. */
const ONE_FILE = /\.(svs|ndpi|scn|bif|czi|tiff?|jpe?g|png)$/i
/** In a folder these can be parts of something larger: OME-TIFF in several files, the JPEGs of a VMS. */
const PART_IN_FOLDER = /(\.ome\.tiff?|\.jpe?g|\.png)$/i
/** What file managers leave behind. */
const LITTER = /(^|\/)(\.DS_Store|Thumbs\.db|desktop\.ini|\._[^/]*)$/i
/** Loose files that are usually one of many. */
const LOOSE_PART = /(\.dcm|^[^.]+)$/i

function topOf(path: string): string {
  return path.split('/')[0] ?? path
}

function stemOf(name: string): string {
  return name.replace(/\.[^.]*$/, '')
}

function isAlone({ path }: ChosenFile): boolean {
  return ONE_FILE.test(path) && !PART_IN_FOLDER.test(path)
}

/** Parts of folders by the folder's top, and with them the loose files that have a folder's name, as MIRAX does it. */
function gatherFolders(items: readonly ChosenFile[]): Map<string, ChosenFile[]> {
  const folders = new Map<string, ChosenFile[]>()
  for (const item of items) {
    if (!item.path.includes('/') || isAlone(item)) continue
    const top = topOf(item.path)
    const folder = folders.get(top) ?? []
    folder.push(item)
    folders.set(top, folder)
  }
  for (const item of items) if (!item.path.includes('/')) folders.get(stemOf(item.path))?.push(item)
  return folders
}

/** Sort chosen files into scans. */
export function groupScans(chosen: readonly ChosenFile[]): ScanFiles[] {
  const wanted = chosen.filter(({ path }) => !LITTER.test(path))
  const sets = [...gatherFolders(wanted)].map(([label, files]) => ({ label, files, isSet: true }))
  const gathered = new Set(sets.flatMap(({ files }) => files))
  const alone = wanted.filter((item) => !gathered.has(item))
  const parts = alone.filter(({ path }) => LOOSE_PART.test(path))
  if (parts.length > 1) sets.push({ label: `${parts.length} DICOM files`, files: parts, isSet: true })
  const singles = parts.length > 1 ? alone.filter((item) => !parts.includes(item)) : alone
  return [...singles.map((item) => ({ label: item.file.name, files: [item], isSet: false })), ...sets]
}

export function bytesOf(scan: ScanFiles): number {
  return scan.files.reduce((sum, { file }) => sum + file.size, 0)
}

/** Two 53-bit hashes of a text in hexadecimal: enough to find a file again, and it does not tell the file's name. */
function hashOf(text: string): string {
  const half = (seed: number): string => {
    let [a, b] = [0xdeadbeef ^ seed, 0x41c6ce57 ^ seed]
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index)
      a = Math.imul(a ^ code, 2654435761)
      b = Math.imul(b ^ code, 1597334677)
    }
    a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909)
    b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909)
    return (4294967296 * (2097151 & b) + (a >>> 0)).toString(16)
  }
  return `${half(1)}${half(2)}`
}

/** Name the chosen files by what they are: path, size and time of change. The same files chosen again get the same. */
export function fingerprintOf(scan: ScanFiles, user: string): string {
  const lines = scan.files.map(({ file, path }) => `${path}\n${file.size}\n${file.lastModified}`)
  return hashOf([user, scan.isSet ? 'set' : 'file', ...lines.sort()].join('\n\n'))
}

/** Name one file of a set among the others. */
export function nameOf({ path }: ChosenFile): string {
  return hashOf(path)
}
