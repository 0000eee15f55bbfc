import { type Signal, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { listFormats } from '../../api/exchange'
import type { Format } from '../../model/exchange'

/** The formats that the server knows; none as long as it has not told them. */
export function useFormats(): Signal<readonly Format[]> {
  const formats = useSignal<readonly Format[]>([])
  useEffect(() => {
    listFormats().then(
      (told) => {
        formats.value = told
      },
      // Without them the server still tells a format by its content.
      () => undefined,
    )
  }, [])
  return formats
}
