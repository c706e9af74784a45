/**
 * The part of the script that counts days and months of the calendar: `limits/calendar.ts` in Lua.
 * A cell: `begins f64, ends f64, since f64, used f64`, `since` being when counting it began, by the
 * clock that never jumps.
 */
export const spanScript = `
local dayMs = 86400000

-- Days from 1970-01-01 to the first of a month; months are counted from March of year 0 on.
local function daysTo(months)
  local year, month = floor(months / 12), months % 12
  return year * 365 + floor(year / 4) - floor(year / 100) + floor(year / 400)
    + floor((153 * month + 2) / 5) - 719468
end

local function spanOf(isMonth, wall)
  local days = floor(wall / dayMs)
  if not isMonth then return days * dayMs, (days + 1) * dayMs end
  -- An estimate that is never too late, and at most a month too early.
  local months = floor((days + 719468) / 30.436875) - 1
  while daysTo(months + 1) <= days do months = months + 1 end
  return daysTo(months) * dayMs, daysTo(months + 1) * dayMs
end

local function spanLeft(c, steady, wall)
  local untilLength = c.since + (c.ends - c.begins) - steady
  if wall + max(0, untilLength) < c.begins then return untilLength end
  return c.ends - wall
end

local function readSpan(raw, at)
  local c = {}
  c.begins, c.ends, c.since, c.used = read('<dddd', raw, at)
  return c
end

local function spanBytes(c)
  return pack('<dddd', c.begins, c.ends, c.since, c.used)
end

-- Begins the next where one is over. What was spare of the last is no room in it.
local function roll(c, isMonth, steady, wall)
  if spanLeft(c, steady, wall) > 0 then return end
  c.begins, c.ends = spanOf(isMonth, wall)
  c.since, c.used = steady, 0
  if c.spare then
    c.spare = 0
    c.given = 0
  end
end

local function spanRoom(c, amount, cost, steady, wall)
  local fits = cost == 0 or c.used + cost <= amount
  if fits and c.used == 0 then return fits, 0 end
  return fits, spanLeft(c, steady, wall)
end
`
