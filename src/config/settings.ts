import { type AuthSettings, authSettings } from './auth-settings.ts'
import { type FleetSettings, fleetSettings } from './fleet-settings.ts'
import { type GatewayInputs, gatewaySettings } from './gateway/gateway-settings.ts'
import { type KeySettings, keySettings } from './key-settings.ts'
import { type LedgerSettings, ledgerSettings } from './ledger-settings.ts'
import { type ModelSettings, modelSettings } from './model-settings.ts'
import { type ServerSettings, serverSettings } from './server-settings.ts'
import type { Settings } from './setting.ts'

/**
 * What a deployment sets, read and checked: what the server and the commands take, under the
 * settings' own names. A new setting is an entry in one of these files, and its use.
 */
export interface DeploymentOptions
  extends KeySettings,
    ModelSettings,
    LedgerSettings,
    FleetSettings,
    ServerSettings,
    AuthSettings,
    GatewayInputs {}

export type SettingName = keyof DeploymentOptions

/** Every setting, in the order of the reference. */
export const settings: Settings<DeploymentOptions> = {
  ...keySettings,
  ...modelSettings,
  ...ledgerSettings,
  ...fleetSettings,
  ...serverSettings,
  ...authSettings,
  ...gatewaySettings,
}

export const settingNames: readonly SettingName[] = Object.keys(settings) as SettingName[]
