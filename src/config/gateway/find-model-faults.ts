import { isScope, modelScope } from '../../core/scope.ts'
import { untagged } from '../../gateway/directory/model-name.ts'
import { type Check, checkFields, checkLimits, fault, isObject, within } from '../object-faults.ts'
import type { InputFault } from '../setting.ts'

/** Everything that is wrong with the models of a configuration file, at once. */
export function findModelFaults(input: unknown): readonly InputFault[] {
  if (!isObject(input)) return [fault('', 'an object of models by public name', input)]
  const seen = new Map<string, string>()
  return Object.entries(input).flatMap(([name, model]) => {
    const at = within('', name)
    const earlier = seen.get(untagged(name))
    seen.set(untagged(name), name)
    const same =
      'a name that differs from others in more than letter case and the tag `latest`: calls by both mean one model'
    return [
      ...checkName(at, name),
      ...(earlier === undefined ? [] : [fault(at, same, earlier)]),
      ...checkModel(at, model),
    ]
  })
}

function checkName(at: string, name: string): readonly InputFault[] {
  const expected =
    'the public name of a model: 1 to 120 of `A-Z a-z 0-9 . _ : / -`, so that there is a scope of it'
  return isScope(modelScope(name.toLowerCase())) && name !== '' ? [] : [fault(at, expected, name)]
}

const targetFields = checkFields({
  upstream: textFrom('the name of an upstream'),
  model: textFrom('a model’s name at the upstream'),
})

const targetForm = 'an object of `upstream` and `model`'

const checkTargets: Check = (at, value) => {
  if (!Array.isArray(value) || value.length === 0)
    return [fault(at, `a list of at least one ${targetForm}`, value)]
  const seen = new Set<string>()
  return value.flatMap((target: unknown, index) => {
    const place = `${at}[${index}]`
    if (!isObject(target)) return [fault(place, targetForm, target)]
    const faults = [...targetFields(place, target)]
    for (const name of ['upstream', 'model'])
      if (target[name] === undefined) faults.push({ at: `${place}.${name}`, expected: 'it', got: 'nothing' })
    const text = JSON.stringify([target['upstream'], target['model']])
    if (seen.has(text)) faults.push(fault(place, 'each of them once', target))
    seen.add(text)
    return faults
  })
}

const checkOutput: Check = (at, value) =>
  Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= 10_000_000
    ? []
    : [fault(at, 'a whole number from 1 to 10000000', value)]

const checkModelFields = checkFields({ to: checkTargets, limits: checkLimits, output: checkOutput })

function checkModel(at: string, value: unknown): readonly InputFault[] {
  if (!isObject(value)) return [fault(at, 'a model, which is an object', value)]
  const faults = checkModelFields(at, value)
  return value['to'] === undefined ? [...faults, { at: `${at}.to`, expected: 'it', got: 'nothing' }] : faults
}

function textFrom(expected: string): Check {
  return (at, value) =>
    typeof value === 'string' && value.trim() !== '' && value.length <= 256
      ? []
      : [fault(at, expected, value)]
}
