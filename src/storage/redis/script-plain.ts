/**
 * The part of the script that takes plain windows, which are most of all there is to take: with one
 * table for each cell, and no more texts than have to be. What is not plain, a refusal among it,
 * goes the way of `script-requests.ts`.
 *
 * Of a plain request the blob has `operation u8, uses u8`, then for each use `cell u16, amount u32,
 * span u32, cost u32`.
 */
export const plainScript = `
-- Of each cell: 1 capacity, 2 total, 3 when more comes free, 4 tail, 5 latest, 6 its bytes, 7 where
-- in them what still counts begins, 8 what follows it, 9 when it dies, 10 shape, 11 since, and 12,
-- once it has changed, span. False: it is not plain, or not any more.
local states, changed, changes = {}, {}, 0
local places, amounts, spans, costs = {}, {}, {}, {}

local function comesFree(state, age, span)
  if state[1] > 0 then return span - age end
  return startOf(state[5] - age + 65, span) - steady
end

-- False where it is counted otherwise, or latest in the future.
local function loadPlain(place, capacity, span)
  local raw, now, length = got[place], steady, span
  if capacity == 0 then
    now, length = floor(steady * 64 / span), 65
  end
  if not raw then return { capacity, 0, 0, 0, now, false, 0, '', 0, shapeFor(capacity, span), 0, false } end
  local known, shape, since, dies, latest, total, tail, at = read('<BBdddI4I4', raw)
  local passed, size, following = now - latest, #raw, ''
  if known ~= capacity or passed < 0 then return false end
  if passed >= length then
    return { capacity, 0, 0, 0, now, false, 0, '', dies, shapeFor(capacity, span), since, false }
  end
  local format, step, modulus = formats[shape], sizes[shape], moduli[shape]
  local oldest = passed
  while at < size do
    local when, used = read(format, raw, at)
    local age = (latest - when) % modulus + passed
    if age < length then
      oldest = age
      break
    end
    total = total - used
    at = at + step
  end
  if passed > 0 and tail > 0 then
    if tail > mosts[shape] then return false end
    following, tail = pack(format, latest % modulus, tail), 0
  end
  local state = { capacity, total, 0, tail, now, raw, at, following, dies, shape, since, false }
  if total > 0 then state[3] = comesFree(state, oldest, span) end
  return state
end

-- Whether all of a request's uses are plain and fit; reads them.
local function fitPlainly(uses)
  local isPlain = true
  for index = 1, uses do
    local place, amount, span, cost
    place, amount, span, cost, position = read('<HI4I4I4', blob, position)
    places[index], amounts[index], spans[index], costs[index] = place, amount, span, cost
    if isPlain then
      local state, capacity = states[place], 0
      if amount <= 64 then capacity = amount end
      if state == nil then
        state = loadPlain(place, capacity, span)
        states[place] = state
      end
      if not state or state[1] ~= capacity or state[2] + cost > amount then
        isPlain = false
      elseif span > openSpan and span < 3600000 then
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
    local place, cost = places[index], costs[index]
    local state = states[place]
    if cost > 0 then
      local total = state[2]
      if total == 0 then state[3] = comesFree(state, 0, spans[index]) end
      state[2], state[4] = total + cost, state[4] + cost
      if not state[12] then
        state[12] = spans[index]
        changes = changes + 1
        changed[changes] = place
      end
    end
    out[at + 1], out[at + 2] = amounts[index] - state[2], state[3]
    at = at + 2
  end
  answered = at
end

-- A cell is written for two windows, and its end is moved only when one is left: to move it costs as
-- much as to write.
local function savePlain()
  local lives, longLives, ends = {}, {}, {}
  for index = 1, changes do
    local place = changed[index]
    local state = states[place]
    if state then
      local span, raw, dies = state[12], state[6], state[9]
      local life = lives[span]
      if not life then
        life = span + ceil(span / 64) + 1
        local long = life + span + extraPx
        lives[span], longLives[span], ends[span] = life, long, string.format('%.0f', long)
      end
      local isEnding = dies - time < life
      if isEnding then dies = time + longLives[span] end
      local bytes = pack('<dI4I4', state[5], state[2], state[4])
      if raw and not isEnding then
        bytes = sub(raw, 1, 18) .. bytes .. sub(raw, state[7]) .. state[8]
      else
        bytes = pack('<BBdd', state[1], state[10], state[11], dies) .. bytes
        if raw then bytes = bytes .. sub(raw, state[7]) .. state[8] end
      end
      if isEnding then
        call('SET', keys[place], bytes, 'PX', ends[span])
      else
        call('SET', keys[place], bytes, 'KEEPTTL')
      end
    end
  end
end
`
