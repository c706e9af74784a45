import { checkOptions, isOneOf, type OptionRule } from '../core/check-options.ts'
import { checkWard } from './adapter-options.ts'
import type { DescribeGuardOptions, GuardDescription } from './describe-schemes.ts'
import type { Guard } from './guard.ts'

const rules: Readonly<Record<keyof DescribeGuardOptions, OptionRule>> = {
  openapi: { expected: '`3.0` or `3.1`', accepts: isOneOf('3.0', '3.1') },
}

/**
 * Describes a ward's guard for an OpenAPI document: its security schemes, what a demand means for
 * an operation, and its problems.
 *
 * @throws TypeError for options that are wrong
 * @example
 * const { components, security, responses } = describeGuard(ward)
 * const demand = { scope: 'predict' }
 * const post = { security: security(demand), responses: { 200: answer, ...responses(demand) } }
 */
export function describeGuard(
  ward: { readonly guard: Guard },
  options: DescribeGuardOptions = {},
): GuardDescription {
  checkWard('describeGuard', ward)
  checkOptions('describeGuard', options, rules)
  return ward.guard.describe(options)
}
