import type { ComponentChildren, JSX } from 'preact'
import type { ChosenFile } from '../../model/scan-files'
import { Icon } from '../icons'
import { PickButton } from './pick-button'

interface Props {
  /** Whether files are held over the page now. */
  readonly over: boolean
  readonly onFiles: (files: Promise<ChosenFile[]>) => void
  readonly children: ComponentChildren
}

/** Phones cannot choose folders. */
const CAN_CHOOSE_FOLDERS =
  'webkitdirectory' in HTMLInputElement.prototype && !/Android|iPhone/.test(navigator.userAgent)

/** Where scans are dropped (the whole page takes them), and the two buttons for those who do not drag. */
export function DropZone({ over, onFiles, children }: Props): JSX.Element {
  return (
    <div class={over ? 'drop-zone drop-over' : 'drop-zone'} data-testid="drop-zone">
      <Icon name="upload" size={26} />
      <p class="drop-title">Drop scans or folders here</p>
      <div class="drop-buttons">
        <PickButton label="Choose files" look="button-primary" testId="pick-files" onFiles={onFiles} />
        {CAN_CHOOSE_FOLDERS && (
          <PickButton label="Choose a folder" look="" folders testId="pick-folder" onFiles={onFiles} />
        )}
      </div>
      {children}
      <p class="quiet drop-hint">
        Scans of many files (MIRAX, DICOM, Zarr) come as their whole folder. Names of files and folders do not become
        names of slides.
      </p>
    </div>
  )
}
