import type { JSX } from 'preact'

/** Line icons on a 20 px grid. */
const PATHS = {
  move: 'M10 2v16M2 10h16M10 2 7.5 4.5M10 2l2.5 2.5M10 18l-2.5-2.5M10 18l2.5-2.5M2 10l2.5-2.5M2 10l2.5 2.5M18 10l-2.5-2.5M18 10l-2.5 2.5',
  select: 'M5 3l10.5 7.5-4.8.8 2.8 5-1.900 1-2.700-5L5.5 16z',
  polygon: 'M10 3l7 5.200-2.700 8.300H5.700L3 8.200z',
  undo: 'M7 4 3.5 7.5 7 11M3.5 7.5h8a4.5 4.5 0 0 1 0 9H8',
  redo: 'm13 4 3.5 3.5L13 11m3.5-3.5h-8a4.5 4.5 0 0 0 0 9H12',
  'turn-left': 'M6.5 4.5H3v-3.5M3.400 4.5A7.5 7.5 0 1 1 2.5 10',
  'turn-right': 'M13.5 4.5H17v-3.5M16.600 4.5A7.5 7.5 0 1 0 17.5 10',
  plus: 'M10 4v12M4 10h12',
  minus: 'M4 10h12',
  eye: 'M1.8 10S4.8 4.5 10 4.5 18.200 10 18.200 10 15.200 15.5 10 15.5 1.8 10 1.8 10zM10 12.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z',
  'eye-off':
    'M3 3l14 14M8 4.8A8 8 0 0 1 10 4.5c5.200 0 8.200 5.5 8.200 5.5a14 14 0 0 1-2.600 3.200M5 6.200A13 13 0 0 0 1.8 10S4.8 15.5 10 15.5c1.400 0 2.600-.4 3.700-.9',
  panel: 'M3 4h14v12H3zM12.5 4v12',
  help: 'M7.5 7.5a2.600 2.600 0 1 1 3.700 2.400c-.8.4-1.200 1-1.200 1.900M10 14.600v.1M10 18a8 8 0 1 0 0-16 8 8 0 0 0 0 16z',
  trash: 'M4 6h12M8 6V3.5h4V6M5.5 6l.8 10.5h7.400l.8-10.5',
  search: 'M8.5 14a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zM12.700 12.700 17 17',
  close: 'M5 5l10 10M15 5 5 15',
  upload: 'M10 13V3M10 3 6.5 6.5M10 3l3.5 3.5M3 12v4.5h14V12',
  check: 'M4 10.5 8 14.5 16 5.5',
  alert: 'M10 3 18 16.5H2zM10 8v4M10 14.200v.1',
  clock: 'M10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15zM10 6v4l3 2',
  copy: 'M7 7h9.5v9.5H7zM13 7V3.5H3.5V13H7',
  blur: 'M10 17.5a7.5 7.5 0 1 0 0-15M10 13a3 3 0 1 0 0-6M5.5 4.200v.1M3 7.600v.1M3 12.400v.1M5.5 15.800v.1',
  pen: 'M3.5 16.5l1-4L13.5 3.5l3 3-9 9zM11.5 5.5l3 3',
  fold: 'M3.5 3.5v13l6.5-3 6.5 3v-13L10 6.5zM10 6.5v7',
  tissue: 'M4 8.5C3.5 5 7 2.5 10 4s6.5 1 6.5 5-2.5 7.5-6.5 7.5S4.5 12 4 8.5zM9.5 10v.1',
  clipped: 'M2.5 16.5c3.5 0 4-12 7.5-12s4 12 7.5 12M6.5 4.5h7',
  'fold-up': 'M5 12.5 10 7.5l5 5',
  'fold-down': 'M5 7.5l5 5 5-5',
  more: 'M3.400 10h1.2M9.400 10h1.2M15.400 10h1.2',
  'check-off': 'M4 4h12v12H4z',
  'check-on': 'M4 4h12v12H4zM6.5 10.200 9 12.700l4.500-5.400',
  ruler: 'M2.5 7h15v6h-15zM6 7v2.5M10 7v2.5M14 7v2.5',
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name, size = 18 }: { name: IconName; size?: number }): JSX.Element {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 20 20" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  )
}
