import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { type ChannelLook, colorOf, GAMMA_RANGE, hexOf, type Rgb } from '../../model/look'
import { type ChannelFacts, type SampleType, sliderRange, sliderStep, windowOf } from '../../model/samples'
import type { Display } from '../../store/display'
import { Icon } from '../icons'
import { NumberField } from './number-field'
import { WindowSlider } from './window-slider'

const PRESETS: readonly (readonly [string, Rgb])[] = [
  ['Blue', [0, 0, 255]],
  ['Green', [0, 255, 0]],
  ['Red', [255, 0, 0]],
  ['Cyan', [0, 255, 255]],
  ['Magenta', [255, 0, 255]],
  ['Yellow', [255, 255, 0]],
  ['White', [255, 255, 255]],
]

interface Channel {
  readonly display: Display
  readonly index: number
  readonly look: ChannelLook
  readonly name: string
  readonly color: Rgb
}

function Presets({ display, index, name, color }: Channel): JSX.Element {
  return (
    <fieldset class="presets" aria-label={`Usual colours for ${name}`}>
      {PRESETS.map(([label, preset]) => (
        <button
          key={label}
          type="button"
          title={label}
          aria-label={label}
          aria-pressed={hexOf(preset) === hexOf(color)}
          style={{ background: `#${hexOf(preset)}` }}
          onClick={() => display.setChannel(index, { color: preset })}
        />
      ))}
    </fieldset>
  )
}

interface Details extends Channel {
  readonly facts: ChannelFacts
  readonly type: SampleType
}

function ChannelDetails(channel: Details): JSX.Element {
  const { display, index, look, name, color, facts, type } = channel
  const window = windowOf(look, facts)
  const step = sliderStep(sliderRange(facts, window, type), type)
  const move = (end: 0 | 1, value: number): void => display.moveWindow(index, end, value, step)
  const anyStep = type === 'float32' ? 0 : 1
  return (
    <>
      <WindowSlider facts={facts} type={type} window={window} color={`#${hexOf(color)}`} move={move} />
      <div class="channel-numbers">
        <NumberField label="Black at" of={name} value={window[0]} step={anyStep} change={(value) => move(0, value)} />
        <NumberField label="Full at" of={name} value={window[1]} step={anyStep} change={(value) => move(1, value)} />
        <NumberField
          label="Gamma"
          of={name}
          value={look.gamma}
          step={0.1}
          min={GAMMA_RANGE[0]}
          max={GAMMA_RANGE[1]}
          change={(gamma) => display.setChannel(index, { gamma })}
        />
      </div>
      <div class="channel-actions">
        <Presets {...channel} />
        <button
          type="button"
          class="button"
          aria-pressed={look.window === 'auto'}
          aria-label={`Auto: fit ${name} to its values`}
          title="Fit to the values that occur"
          onClick={() => display.setChannel(index, { window: 'auto' })}
        >
          Auto
        </button>
        <button
          type="button"
          class="button"
          aria-label={`Reset ${name}`}
          title="As the slide states it"
          onClick={() => display.reset(index)}
        >
          Reset
        </button>
      </div>
    </>
  )
}

interface Props {
  readonly display: Display
  readonly index: number
  readonly name: string
  readonly own: Rgb
  /** Whether it is unfolded at first. */
  readonly unfolded: boolean
}

/** One channel: shown or not, its colour, and unfolded its histogram, window and gamma. */
export function ChannelCard({ display, index, name, own, unfolded }: Props): JSX.Element | null {
  const open = useSignal(unfolded)
  const look = display.look.value.channels[index]
  const samples = display.samples.value
  const facts = samples?.items[index]
  if (!look) return null
  const color = look.color ?? own
  const id = `channel-${index}`
  return (
    <li class={look.shown ? 'channel' : 'channel channel-off'} data-testid="channel" data-channel={index}>
      <div class="channel-head">
        <button
          type="button"
          class="icon-button"
          role="switch"
          aria-checked={look.shown}
          aria-label={`Show ${name}`}
          title={look.shown ? 'Hide' : 'Show'}
          onClick={() => display.setChannel(index, { shown: !look.shown })}
        >
          <Icon name={look.shown ? 'eye' : 'eye-off'} size={16} />
        </button>
        <input
          type="color"
          class="color-well"
          aria-label={`Colour of ${name}`}
          value={`#${hexOf(color)}`}
          onInput={(event) => display.setChannel(index, { color: colorOf(event.currentTarget.value) })}
        />
        <button
          type="button"
          class="channel-name"
          aria-expanded={open.value}
          aria-controls={id}
          onClick={() => {
            open.value = !open.value
          }}
        >
          <span class="clip">{name}</span>
          <Icon name={open.value ? 'fold-up' : 'fold-down'} size={14} />
        </button>
      </div>
      <div id={id} class="channel-body" hidden={!open.value}>
        {open.value && samples && facts && (
          <ChannelDetails {...{ display, index, look, name, color, facts }} type={samples.dtype} />
        )}
      </div>
    </li>
  )
}
