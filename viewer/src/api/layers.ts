import type { LayerInfo, LayerKind } from '../model/annotation-class'
import { request } from './http'

function layersOf(slide: string): string {
  return `/api/slides/${encodeURIComponent(slide)}/layers`
}

function one(slide: string, layer: string): string {
  return `${layersOf(slide)}/${encodeURIComponent(layer)}`
}

/** Make an empty layer. */
export async function makeLayer(slide: string, name: string, kind: LayerKind): Promise<LayerInfo> {
  return (await request<LayerInfo>(layersOf(slide), { method: 'POST', body: { name, kind } })).body
}

export async function renameLayer(slide: string, layer: string, name: string): Promise<LayerInfo> {
  return (await request<LayerInfo>(one(slide, layer), { method: 'PATCH', body: { name } })).body
}

/** Take a layer away with all that is on it. */
export async function removeLayer(slide: string, layer: string): Promise<void> {
  await request<null>(one(slide, layer), { method: 'DELETE' })
}

/** Bring back the last layer of this name that was taken away. */
export async function restoreLayer(slide: string, layer: string): Promise<void> {
  await request<LayerInfo>(`${one(slide, layer)}/restore`, { method: 'POST' })
}
