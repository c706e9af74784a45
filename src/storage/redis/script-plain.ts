/** A list that begins with places does not grow one by one. */
const places = 'nil, '.repeat(100)

/**
 * The part of the script that takes plain windows, which are most of all there is to take: with one
 * table for each cell, and no more texts than have to be. What is not plain, a refusal among it,
 * goes the way of `script-requests.ts`.
 *
 * Of a plain request the blob has `operation u8, uses u8`, then for each use `cell u16, amount u32,
 * span u32, cost u32`.
 */
export const plainScript: string = `
-- Of each cell: 1 capacity, 2 total, 3 when more comes free, 4 tail, 5 latest, 6 what follows the
-- bytes that still count, 7 where in its bytes those begin, 8 its place, 9 span, 10 when it dies,
-- and 11 whether it has changed. False: it is not plain, or not any more. Where nothing of a cell
-- counts, \`blanks\` has what does not change.
local states, blanks, changed, changes = { ${places} }, {}, { ${places} }, 0
local taken, costs, lefts = {}, {}, {}

local function loadBlank(place, capacity, now, span, since, dies)
  blanks[place] = pack('<BBdd', capacity, shapeFor(capacity, span), since, dies)
  return { capacity, 0, 0, 0, now, '', 0, place, span, dies, false }
end

-- False where it is counted otherwise, or latest in the future.
local function loadPlain(place, capacity, span)
  local raw, now, length = got[place], steady, span
  if capacity == 0 then
    now, length = floor(steady * 64 / span), 65
  end
  if not raw then return loadBlank(place, capacity, now, span, 0, 0) end
  local known, shape, since, dies, latest, total, tail, at = read('<BBdddI4I4', raw)
  local passed, size, following = now - latest, #raw, ''
  if known ~= capacity or passed < 0 then return false end
  if passed >= length then return loadBlank(place, capacity, now, span, since, dies) end
  local oldest, step, modulus = passed, sizes[shape], moduli[shape]
  while at < size do
    local when, used, last
    if shape == slotted then
      when, used = byte(raw, at, at + 1)
    elseif shape == exact then
      when, used, last = byte(raw, at, at + 2)
      when, used = when + used * 256, last
    else
      when, used = read(formats[shape], raw, at)
    end
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
    following, tail = pack(formats[shape], latest % modulus, tail), 0
  end
  local frees = 0
  if total > 0 then
    if capacity > 0 then frees = span - oldest else frees = ceil((now - oldest + 65) * span / 64) - steady end
  end
  return { capacity, total, frees, tail, now, following, at, place, span, dies, false }
end

-- Whether all of a request's uses are plain and fit; reads them.
local function fitPlainly(uses)
  local isPlain = true
  for index = 1, uses do
    local place, amount, span, cost
    place, amount, span, cost, position = read('<HI4I4I4', blob, position)
    if isPlain then
      local state, capacity = states[place], 0
      if amount <= 64 then capacity = amount end
      if state == nil then
        state = loadPlain(place, capacity, span)
        states[place] = state
      end
      if not state or state[1] ~= capacity or (span > openSpan and span < 3600000) then
        isPlain = false
      else
        local left = amount - state[2] - cost
        if left < 0 then isPlain = false end
        taken[index], costs[index], lefts[index] = state, cost, left
        for before = 1, index - 1 do
          if taken[before] == state then isPlain = false end
        end
      end
    end
  end
  return isPlain
end

local function takePlainly(uses)
  local at = answered + 1
  out[at] = 4
  for index = 1, uses do
    local state, cost = taken[index], costs[index]
    if cost > 0 then
      local total = state[2]
      if total == 0 then
        local span = state[9]
        if state[1] > 0 then state[3] = span else state[3] = ceil((state[5] + 65) * span / 64) - steady end
      end
      state[2], state[4] = total + cost, state[4] + cost
      if not state[11] then
        state[11] = true
        changes = changes + 1
        changed[changes] = state
      end
    end
    out[at + 1], out[at + 2] = lefts[index], state[3]
    at = at + 2
  end
  answered = at
end

-- A cell is written for two windows and at least half a minute more than one, and its end is moved
-- only when one is left: to move it costs more than to write.
local function savePlain()
  local lives, longLives, ends = {}, {}, {}
  for index = 1, changes do
    local state = changed[index]
    local place, span = state[8], state[9]
    if states[place] then
      local at, following, blank, raw = state[7], state[6], blanks[place], got[place]
      local life = lives[span]
      if not life then
        life = span + ceil(span / 64) + 1
        local long = life + max(span, 30000) + extraPx
        lives[span], longLives[span], ends[span] = life, long, string.format('%.0f', long)
      end
      local bytes = pack('<dI4I4', state[5], state[2], state[4])
      local isLater = state[10] - time >= life
      if blank then
        if isLater then bytes = blank .. bytes end
      elseif at > 35 or following ~= '' or not isLater then
        bytes = bytes .. sub(raw, at) .. following
      end
      if not isLater then
        bytes = sub(blank or raw, 1, 10) .. pack('<d', time + longLives[span]) .. bytes
        call('SET', keys[place], bytes, 'PX', ends[span])
      elseif blank then
        call('SET', keys[place], bytes, 'KEEPTTL')
      elseif #following >= at - 35 then
        call('SETRANGE', keys[place], '18', bytes)
      else
        call('SET', keys[place], sub(raw, 1, 18) .. bytes, 'KEEPTTL')
      end
    end
  end
end
`
