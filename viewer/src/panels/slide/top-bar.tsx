import type { JSX } from 'preact'
import type { Workspace } from '../../store/workspace'
import { Brand } from '../brand'
import { UserMenu } from '../user-menu'
import { CompanyPill } from './company'
import { Magnification } from './magnification'
import { SaveChip } from './save-chip'
import { ShareButton } from './share'

interface Props {
  readonly workspace: Workspace
  readonly onConflict: () => void
  readonly beforeShare: () => void
}

export function TopBar({ workspace, onConflict, beforeShare }: Props): JSX.Element {
  const { project, name } = workspace.slide.value
  return (
    <header class="top-bar">
      <Brand crumbs={[{ label: project || 'Slides', href: '/' }, { label: name }]} />
      <div class="top-tools">
        <Magnification workspace={workspace} />
        <SaveChip workspace={workspace} onConflict={onConflict} />
        <CompanyPill workspace={workspace} />
        <ShareButton beforeCopy={beforeShare} />
        <UserMenu />
      </div>
    </header>
  )
}
