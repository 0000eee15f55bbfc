/** The save queue on disk: IndexedDB, so that reload, crash and being offline lose nothing. */
import { isGroup, type PendingGroup, type PendingRecord } from './pending'

const DATABASE = 'pathserve'
const STORE = 'pending'

export interface PendingDb {
  load(user: string, slide: string): Promise<PendingRecord[]>
  put(record: PendingRecord): Promise<void>
  /** Remove a record unless it has been edited since `token`. */
  remove(record: PendingRecord): Promise<void>
}

/** A change of many as it lies on disk: copying 10,000 objects takes the page longer than writing them out. */
interface Packed extends Pick<PendingGroup, 'kind' | 'user' | 'slide' | 'id' | 'token'> {
  readonly text: string
}

type Stored = Exclude<PendingRecord, PendingGroup> | Packed

function packed(record: PendingRecord): Stored {
  if (!isGroup(record)) return record
  const { kind, user, slide, id, token } = record
  return { kind, user, slide, id, token, text: JSON.stringify(record) }
}

function unpacked(stored: Stored): PendingRecord {
  return 'text' in stored ? (JSON.parse(stored.text) as PendingGroup) : stored
}

function promised<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

function finished(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve()
    transaction.onabort = () => reject(transaction.error)
    transaction.onerror = () => reject(transaction.error)
  })
}

function opened(factory: IDBFactory): Promise<IDBDatabase> {
  const opening = factory.open(DATABASE, 1)
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: ['user', 'slide', 'id'] })
  return promised(opening)
}

/** Whether edits of anybody wait in this browser; it is not told whose, since nobody has signed in. */
export async function keepsEdits(factory: IDBFactory = indexedDB): Promise<boolean> {
  const db = await opened(factory)
  try {
    return (await promised(db.transaction(STORE).objectStore(STORE).count())) > 0
  } finally {
    db.close()
  }
}

/** Open the database; rejects where the browser keeps none (some private windows). */
export async function openPendingDb(factory: IDBFactory = indexedDB): Promise<PendingDb> {
  const db = await opened(factory)
  // Another tab with a newer viewer may need to upgrade: do not stand in its way.
  db.onversionchange = () => db.close()

  return {
    load: async (user, slide) => {
      const range = IDBKeyRange.bound([user, slide], [user, slide, []])
      return (await promised<Stored[]>(db.transaction(STORE).objectStore(STORE).getAll(range))).map(unpacked)
    },
    put: async (record) => {
      const transaction = db.transaction(STORE, 'readwrite', { durability: 'strict' })
      transaction.objectStore(STORE).put(packed(record))
      await finished(transaction)
    },
    remove: async (record) => {
      const transaction = db.transaction(STORE, 'readwrite')
      const store = transaction.objectStore(STORE)
      const key = [record.user, record.slide, record.id]
      const found: IDBRequest<Stored | undefined> = store.get(key)
      found.onsuccess = () => {
        if (found.result?.token === record.token) store.delete(key)
      }
      await finished(transaction)
    },
  }
}

/** Holds records in memory only; the page warns before it is left while anything waits. */
export function memoryPendingDb(): PendingDb {
  return { load: async () => [], put: async () => undefined, remove: async () => undefined }
}
