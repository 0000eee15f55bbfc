/** Files and folders that somebody drops on a page or chooses, as a flat list with relative paths. */
import { signal } from '@preact/signals'
import type { ChosenFile } from '../model/scan-files'

/** Most files of one drop. */
export const MAX_FILES = 20_000

/** What was dropped on the gallery and waits for the ingest page. */
export const handedOver = signal<Promise<ChosenFile[]> | null>(null)

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject))
}

/** A folder gives its entries in batches until one is empty. */
async function entriesOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader()
  const all: FileSystemEntry[] = []
  for (;;) {
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject))
    if (batch.length === 0) return all
    all.push(...batch)
    if (all.length > MAX_FILES) throw new Error(`At most ${MAX_FILES} files at once.`)
  }
}

async function collect(entry: FileSystemEntry, found: ChosenFile[]): Promise<void> {
  if (found.length > MAX_FILES) throw new Error(`At most ${MAX_FILES} files at once.`)
  if (entry.isFile) found.push({ file: await fileOf(entry as FileSystemFileEntry), path: entry.fullPath.slice(1) })
  else for (const inner of await entriesOf(entry as FileSystemDirectoryEntry)) await collect(inner, found)
}

/** Whether a drag carries files at all. */
export function hasFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes('Files') ?? false
}

/** Read what was dropped; call it in the event's own handler, later the browser has taken it away. */
export async function droppedFiles(transfer: DataTransfer | null): Promise<ChosenFile[]> {
  const items = [...(transfer?.items ?? [])].filter(({ kind }) => kind === 'file')
  const entries = items.map((item) => item.webkitGetAsEntry())
  const plain = items.map((item) => item.getAsFile())
  const found: ChosenFile[] = []
  for (const [index, entry] of entries.entries()) {
    const file = plain[index]
    if (entry) await collect(entry, found)
    else if (file) found.push({ file, path: file.name })
  }
  return found
}

/** Read what an input has; one for folders knows the paths. */
export function pickedFiles(input: HTMLInputElement): ChosenFile[] {
  return [...(input.files ?? [])].map((file) => ({ file, path: file.webkitRelativePath || file.name }))
}
