import type { JSX } from 'preact'
import { formatCount } from '../../model/format'
import { colorOfAccount, cornersOfPresent, initialsOf } from '../../model/presence'
import type { Workspace } from '../../store/workspace'
import { Menu } from '../menu'

/** Who else looks at the slide; nothing when nobody does. */
export function CompanyPill({ workspace }: { workspace: Workspace }): JSX.Element | null {
  const { accounts, others } = workspace.company
  const names = accounts.value
  if (names.length === 0) return null
  const here = new Set([...names, workspace.session.user]).size
  const goTo = (account: string): void => {
    const seen = others.peek().find((each) => each.account === account)
    if (seen) workspace.view.jump({ x: seen.x + seen.width / 2, y: seen.y + seen.height / 2 })
  }
  const button = (
    <>
      {names.slice(0, 3).map((name) => (
        <i key={name} class="person" style={{ background: colorOfAccount(name) }} aria-hidden="true">
          {initialsOf(name)}
        </i>
      ))}
      <span class="company-text">{here > 1 ? `${formatCount(here)} here` : 'Open elsewhere too'}</span>
    </>
  )
  return (
    <Menu look="company" testId="company" title={names.join(', ')} button={button}>
      {names.map((name) => (
        <button key={name} type="button" onClick={() => goTo(name)}>
          <i class="person" style={{ background: colorOfAccount(name) }} aria-hidden="true">
            {initialsOf(name)}
          </i>{' '}
          {name === workspace.session.user ? 'You, elsewhere' : name} <span class="quiet">· look there</span>
        </button>
      ))}
    </Menu>
  )
}

/** What somebody else has just changed. */
export function ChangeNote({ workspace }: { workspace: Workspace }): JSX.Element {
  const news = workspace.company.news.value
  return (
    <div aria-live="polite">
      {news && (
        <p class="notice change-note" data-testid="change-note">
          <i class="person" style={{ background: colorOfAccount(news.author) }} aria-hidden="true">
            {initialsOf(news.author)}
          </i>
          {formatCount(news.count)} {news.count === 1 ? 'change' : 'changes'} by {news.author}
        </p>
      )}
    </div>
  )
}

/** Where the others look, for the overview; `scale` is overview pixels per level-0 pixel. */
export function CompanyOutlines({ workspace, scale }: { workspace: Workspace; scale: number }): JSX.Element {
  return (
    <>
      {workspace.company.others.value.map((seen) => {
        const points = cornersOfPresent(seen).map(([x, y]) => `${x * scale},${y * scale}`)
        return (
          <polygon
            key={seen.client}
            class="minimap-other"
            data-account={seen.account}
            stroke={colorOfAccount(seen.account)}
            points={points.join(' ')}
          />
        )
      })}
    </>
  )
}
