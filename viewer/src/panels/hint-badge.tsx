import type { JSX } from 'preact'
import { type Hint, hintLabel } from '../model/quality'
import { Icon, type IconName } from './icons'

const ICONS: Readonly<Record<string, IconName>> = {
  'no-tissue': 'tissue',
  'little-tissue': 'tissue',
  pen: 'pen',
  fold: 'fold',
  blur: 'blur',
  soft: 'blur',
  clipped: 'clipped',
  'mpp-missing': 'ruler',
  'mpp-implausible': 'ruler',
}

/** A hint in two words; the whole sentence on hovering and for screen readers. */
export function HintBadge({ hint }: { hint: Hint }): JSX.Element {
  return (
    <span class="pill hint-badge" data-testid="hint-badge" data-hint={hint.kind} title={hint.sentence}>
      <Icon name={ICONS[hint.kind] ?? 'alert'} size={13} />
      {hintLabel(hint.kind)}
      <span class="visually-hidden">: {hint.sentence}</span>
    </span>
  )
}
