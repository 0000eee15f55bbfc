/** The worker that holds objects: fetches and decodes vector tiles, paints them, finds what is in them. */
import { fetchBytes, Refused } from './fetch-bytes'
import { decodeTile } from './mvt'
import { type Draw, ObjectDesk } from './object-desk'
import type { Ask, FromObjectWorker, ToObjectWorker } from './object-protocol'
import { binPicture } from './paint-density'
import { paintObjects, sortObjects } from './paint-objects'
import { SmallPainter } from './paint-small'
import { SampleStore } from './sample-store'

/** Decoded tiles that are kept: some hundreds of full ones, so that a change of colours fetches nothing. */
const BUDGET_BYTES = 96 << 20

let canvas: OffscreenCanvas | null = null
let pasted: OffscreenCanvas | null = null
const small = new SmallPainter()

function contextOf(target: OffscreenCanvas): OffscreenCanvasRenderingContext2D {
  const context = target.getContext('2d')
  if (!context) throw new Error('This browser has no canvas in workers.')
  return context
}

function sized(old: OffscreenCanvas | null, side: number): OffscreenCanvas {
  return old?.width === side ? old : new OffscreenCanvas(side, side)
}

/** Lay pixels over the picture, as large as it is. */
function paste(
  context: OffscreenCanvasRenderingContext2D,
  pixels: Uint8ClampedArray<ArrayBuffer>,
  across: number,
  side: number,
): void {
  pasted = sized(pasted, across)
  contextOf(pasted).putImageData(new ImageData(pixels, across, across), 0, 0)
  context.imageSmoothingEnabled = false
  context.drawImage(pasted, 0, 0, side, side)
}

const draw: Draw = (tile, look, { filled }, { place, part, side, ratio }) => {
  const bins = binPicture(tile, look, side, place.unit)
  const sorted = sortObjects(tile, part, look, side, ratio)
  if (!bins && sorted.small.length === 0 && sorted.groups.length === 0) return null
  canvas = sized(canvas, side)
  const context = contextOf(canvas)
  if (bins) paste(context, bins.pixels, bins.across, side)
  paintObjects({ context, ratio }, tile, part, look, sorted, filled)
  if (sorted.small.length > 0) {
    paste(context, small.paint(tile, part, look, { side, ratio, filled }, sorted.small), side, side)
  }
  // Gives the picture away and leaves an empty canvas.
  return canvas.transferToImageBitmap()
}

const tiles = new SampleStore(async (url, signal) => decodeTile(await fetchBytes(url, signal)), BUDGET_BYTES)
const desk = new ObjectDesk(tiles, draw)
const running = new Map<number, AbortController>()

function say(message: FromObjectWorker, transfer: Transferable[] = []): void {
  self.postMessage(message, { transfer })
}

async function answer(id: number, ask: Ask): Promise<void> {
  const abort = new AbortController()
  running.set(id, abort)
  try {
    const found = await desk.answer(ask, abort.signal)
    say({ kind: 'answer', id, answer: found }, found instanceof ImageBitmap ? [found] : [])
  } catch (error) {
    say({ kind: 'failed', id, status: error instanceof Refused ? error.status : 0 })
  } finally {
    running.delete(id)
  }
}

self.addEventListener('message', ({ data }: MessageEvent<ToObjectWorker>) => {
  if (data.kind === 'style') desk.restyle(data.style)
  else if (data.kind === 'abort') running.get(data.id)?.abort()
  else void answer(data.id, data.ask)
})
