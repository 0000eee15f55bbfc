import type { Signal } from '@preact/signals'
import type { JSX } from 'preact'
import type { FrameChoice } from '../../model/exchange'
import { Choice, TextField } from './fields'

interface Props {
  readonly frame: Signal<FrameChoice>
  readonly onChange?: () => void
}

/** In which frame a file's coordinates are. */
export function FrameFields({ frame, onChange }: Props): JSX.Element {
  const set = (part: keyof FrameChoice) => (value: string) => {
    frame.value = { ...frame.peek(), [part]: value }
    onChange?.()
  }
  const { origin, unit, mpp, affine, option } = frame.value
  return (
    <details class="advanced">
      <summary>Advanced: origin and unit of coordinates, options of the format</summary>
      <div class="form-grid">
        <Choice
          label="Origin"
          value={origin}
          onChange={set('origin')}
          options={[
            ['', 'as the format has it'],
            ['slide', 'corner of the slide'],
            ['bounds', 'corner of what is not empty (QuPath)'],
          ]}
        />
        <Choice
          label="Unit"
          value={unit}
          onChange={set('unit')}
          options={[
            ['', 'as the format has it'],
            ['px', 'pixels of level 0'],
            ['um', 'micrometres'],
          ]}
        />
        <TextField
          label="Micrometres per pixel"
          hint="of micrometres, if not the slide's"
          placeholder="0.25 or 0.25,0.25"
          value={mpp}
          onInput={set('mpp')}
        />
        <TextField
          label="Affine"
          hint="a,b,c,d,e,f: x' = a x + b y + c, y' = d x + e y + f"
          placeholder="1,0,0,0,1,0"
          value={affine}
          onInput={set('affine')}
        />
        <TextField
          label="Options"
          hint="that a format asks for"
          placeholder="NAME=VALUE; NAME=VALUE"
          value={option}
          onInput={set('option')}
        />
      </div>
    </details>
  )
}
