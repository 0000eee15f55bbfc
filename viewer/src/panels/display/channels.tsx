import type { JSX } from 'preact'
import type { Workspace } from '../../store/workspace'
import { ChannelCard } from './channel-card'

/** So many channels are unfolded at first; of more, none is. On a phone there is room for one. */
const UNFOLDED = 4

function unfolds(channels: number): boolean {
  return channels <= (window.matchMedia('(min-width: 721px)').matches ? UNFOLDED : 1)
}

/** The channels of a slide that is put together out of them. */
export function Channels({ workspace }: { workspace: Workspace }): JSX.Element {
  const { display } = workspace
  const { channels } = workspace.slide.value
  return (
    <section class="panel-section" aria-labelledby="channels-heading">
      <h2 id="channels-heading">
        Channels
        <span class="heading-actions">
          <button type="button" class="link" title="Fit all to the values that occur" onClick={() => display.autoAll()}>
            Auto all
          </button>
          <button type="button" class="link" title="All as the slide states them" onClick={() => display.resetAll()}>
            Reset all
          </button>
        </span>
      </h2>
      {display.state.value === 'failed' && (
        <p class="note note-bad" role="status">
          The histograms could not be loaded.{' '}
          <button type="button" class="link" onClick={() => void display.load()}>
            Try again
          </button>
        </p>
      )}
      <ul class="channels">
        {channels.map(({ name, color }, index) => (
          <ChannelCard
            key={`${index} ${name}`}
            display={display}
            index={index}
            name={name || `Channel ${index + 1}`}
            own={color}
            unfolded={unfolds(channels.length)}
          />
        ))}
      </ul>
    </section>
  )
}
