/** One change of many objects: what becomes of each, and how it is told whether it has come to be. */
import { classNameOf } from './annotation-class'
import type { Feature } from './geojson'
import { type Group, numberOf } from './picked'

/** The class (null: none) or the state that all get, or that they are deleted. */
export type GroupAction = { readonly className: string | null } | { readonly state: string } | 'delete'

export interface GroupMember {
  /** Its number on the slide; null when only its id is known. */
  readonly number: number | null
  /** Null until the server has told it. */
  readonly id: string | null
  /** A revision, of the slide or of the object itself, at which the reader saw it. */
  readonly seen: number
  /** What it was before; the state is not known before the server has told it. */
  readonly className: string | null
  readonly state: string | null
  readonly layer: string
}

/** A member that stays as it is, because somebody else has changed it since the reader saw it. */
export interface LeftMember extends GroupMember {
  readonly author: string
  /** It is deleted: then `seen`, `className` and so on tell what was. */
  readonly isGone: boolean
}

/** What shall become of a member; `isBack` takes the action back. */
export function wantedOf(member: GroupMember, action: GroupAction, isBack: boolean): Wanted {
  if (action === 'delete') return { isDeleted: !isBack }
  if ('state' in action) return { state: isBack ? (member.state ?? 'draft') : action.state }
  return { className: isBack ? member.className : action.className }
}

export type Wanted =
  | { readonly isDeleted: boolean }
  | { readonly state: string }
  | { readonly className: string | null }

/** What has become of objects, by their numbers, as far as that is known. */
export type Fates = ReadonlyMap<number, Wanted>

/** What shall become of members, by their numbers. */
export function fatesOf(members: readonly GroupMember[], action: GroupAction, isBack: boolean): Fates {
  return new Map(
    members.flatMap((member) =>
      member.number === null ? [] : [[member.number, wantedOf(member, action, isBack)] as const],
    ),
  )
}

/** A group after that: what is deleted is not in it any more, and the same group when nothing of it is another. */
export function groupAfter(group: Group, fates: Fates): Group | null {
  const isGone = (number: number): boolean => {
    const fate = fates.get(number)
    return fate !== undefined && 'isDeleted' in fate && fate.isDeleted
  }
  const classNames = group.numbers.map((number, at) => {
    const fate = fates.get(number)
    return fate && 'className' in fate ? fate.className : (group.classNames[at] ?? null)
  })
  if (!group.numbers.some(isGone)) {
    return classNames.every((name, at) => name === group.classNames[at]) ? group : { ...group, classNames }
  }
  const left = group.numbers.map((_, at) => at).filter((at) => !isGone(group.numbers[at] as number))
  if (left.length === 0) return null
  const taken = <T>(all: readonly T[]): T[] => left.map((at) => all[at] as T)
  return {
    numbers: taken(group.numbers),
    classNames: taken(classNames),
    layers: taken(group.layers),
    seen: taken(group.seen),
  }
}

/** Whether an object that is there is as it is wanted. */
export function isAsWanted(feature: Feature, wanted: Wanted): boolean {
  if ('isDeleted' in wanted) return !wanted.isDeleted
  if ('state' in wanted) return (feature.properties.state ?? 'draft') === wanted.state
  return classNameOf(feature) === wanted.className
}

/** A member as the server has it now. */
export function memberOf(feature: Feature, { layer }: Pick<GroupMember, 'layer'>): GroupMember {
  const { revision = 0, state = 'draft' } = feature.properties
  const className = classNameOf(feature)
  return { number: numberOf(feature), id: feature.id, seen: revision, className, state, layer }
}

/** "class to Tumour", "deletion", as part of a sentence about the change. */
export function actionText(action: GroupAction, isBack: boolean): string {
  if (action === 'delete') return isBack ? 'be brought back' : 'be deleted'
  if ('state' in action) return isBack ? 'get their earlier states back' : `get the state “${action.state}”`
  if (isBack) return 'get their earlier classes back'
  return action.className === null ? 'lose their class' : `become “${action.className}”`
}
