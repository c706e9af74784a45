/**
 * The part of the script that takes plain windows, which are most of all there is to take: no table
 * for each use, numbers in arrays by the cell's place, and the latest count of a cell as a number
 * until it is written. What is not plain, a refusal among it, goes the way of `script-requests.ts`.
 *
 * A plain use: `cell u16, amount u32, span u32, cost u32`.
 */
export const plainScript = `
local capacities, latests, sinces, deaths, totals, heads = {}, {}, {}, {}, {}, {}
local bodies, starts, stops, tails, tailCounts, changed = {}, {}, {}, {}, {}, {}
local places, amounts, spans, costs = {}, {}, {}, {}

-- False where it is not as plain as it seemed: counted otherwise, or latest in the future.
local function loadPlain(place, capacity, span)
  local raw, now, length = got[place], steady, span
  if capacity == 0 then
    now, length = floor(steady * 64 / span), 65
  end
  local since, dies, total, at, size = 0, 0, 0, 1, 0
  if raw then
    local known, latest
    known, latest, since, dies, total, at = read('<BdddI4', raw)
    local passed, low = now - latest, latest % two32
    if known ~= capacity or passed < 0 then return false end
    size = #raw
    while at < size do
      local when, used = read('<I4I4', raw, at)
      if (low - when) % two32 + passed < length then
        heads[place] = when
        break
      end
      total = total - used
      at = at + 8
    end
  end
  if at < size then
    tails[place], tailCounts[place] = read('<I4I4', raw, size - 7)
    bodies[place], starts[place], stops[place] = raw, at, size - 8
  else
    tailCounts[place], bodies[place], starts[place], stops[place] = 0, '', 1, 0
  end
  capacities[place], latests[place], sinces[place] = capacity, now, since
  deaths[place], totals[place] = dies, total
  return true
end

local function countPlain(place, span, cost)
  local when, known = latests[place] % two32, tailCounts[place]
  if known == 0 then
    tails[place], tailCounts[place], heads[place] = when, cost, when
  elseif tails[place] == when then
    tailCounts[place] = known + cost
  else
    local body = sub(bodies[place], starts[place], stops[place]) .. pack('<I4I4', tails[place], known)
    bodies[place], starts[place], stops[place] = body, 1, #body
    tails[place], tailCounts[place] = when, cost
  end
  totals[place] = totals[place] + cost
  changed[place] = span
end

-- Whether all of a request's uses are plain and fit; reads them.
local function fitPlainly(uses)
  local isPlain = true
  for index = 1, uses do
    local place, amount, span, cost
    place, amount, span, cost, position = read('<HI4I4I4', blob, position)
    places[index], amounts[index], spans[index], costs[index] = place, amount, span, cost
    if isPlain then
      local capacity = 0
      if amount <= 64 then capacity = amount end
      if cells[place] or began > 0 and span < 3600000 and steady < began + span then
        isPlain = false
      elseif capacities[place] ~= capacity and (capacities[place] or not loadPlain(place, capacity, span)) then
        isPlain = false
      elseif totals[place] + cost > amount then
        isPlain = false
      end
      for before = 1, index - 1 do
        if places[before] == place then isPlain = false end
      end
    end
  end
  return isPlain
end

local function takePlainly(uses)
  local at = answered + 1
  out[at] = 4
  for index = 1, uses do
    local place, span, cost = places[index], spans[index], costs[index]
    if cost > 0 then countPlain(place, span, cost) end
    local total, latest, frees = totals[place], latests[place], 0
    if total > 0 then
      local age = (latest % two32 - heads[place]) % two32
      if capacities[place] > 0 then
        frees = span - age
      else
        frees = startOf(latest - age + 65, span) - steady
      end
    end
    out[at + 1], out[at + 2] = amounts[index] - total, frees
    at = at + 2
  end
  answered = at
end

-- The same cell for what is not plain.
local function asCell(place)
  local body = sub(bodies[place], starts[place], stops[place])
  if tailCounts[place] > 0 then body = body .. pack('<I4I4', tails[place], tailCounts[place]) end
  local cell = {
    capacity = capacities[place],
    latest = latests[place],
    since = sinces[place],
    total = totals[place],
    body = body,
  }
  capacities[place] = nil
  return cell, changed[place]
end

-- A cell is written for two windows, and its end is moved only when one is left: to move it costs as
-- much as to write.
local function savePlain()
  local lives = {}
  for place, span in pairs(changed) do
    if capacities[place] then
      local life = lives[span] or span + ceil(span / 64) + 1
      lives[span] = life
      local dies = deaths[place]
      local moves = dies - time < life
      if moves then
        life = life + span + extraPx
        dies = time + life
      end
      local bytes = pack('<BdddI4', capacities[place], latests[place], sinces[place], dies, totals[place])
        .. sub(bodies[place], starts[place], stops[place])
        .. pack('<I4I4', tails[place], tailCounts[place])
      if moves then
        call('SET', KEYS[place], bytes, 'PX', string.format('%.0f', life))
      else
        call('SET', KEYS[place], bytes, 'KEEPTTL')
      end
    end
  end
end
`
