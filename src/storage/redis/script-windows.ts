/**
 * The part of the script that counts windows: `limits/sliding-window.ts` in Lua, to the
 * millisecond.
 *
 * A window's cell: `capacity u8, latest f64, since f64, dies f64, total u32`, and then `(when u32,
 * count u32)…`. The capacity is how many single uses it holds, 0: any number, in slots. *When* is
 * the millisecond or the slot's number, modulo 2^32; so is `latest`, in full. What was taken before
 * `since` gives nothing back: a reset was in between. Redis removes it when it dies.
 */
export const windowScript = `
local call, floor, ceil, max, min = redis.call, math.floor, math.ceil, math.max, math.min
local read, pack, sub = struct.unpack, struct.pack, string.sub
local two32 = 4294967296

local function ageAt(latest, when)
  return (latest % two32 - when) % two32
end

local function slotOf(time, span)
  return floor(time * 64 / span)
end

-- The first whole millisecond of a slot.
local function startOf(slot, span)
  local start = ceil(slot * span / 64)
  if slotOf(start, span) < slot then return start + 1 end
  return start
end

local function readWindow(raw, at)
  local w = {}
  w.capacity, w.latest, w.since, w.dies, w.total, at = read('<BdddI4', raw, at)
  w.body = sub(raw, at)
  return w
end

local function windowBytes(w)
  return pack('<BdddI4', w.capacity, w.latest, w.since, w.dies or 0, w.total) .. w.body
end

-- Drops what the window has left behind, the window ending at a moment.
local function advance(w, span, now)
  local latest, length, to = w.latest, span, now
  if w.capacity == 0 then
    to, length = slotOf(now, span), 65
  end
  to = max(latest, to)
  local body, from, total, passed = w.body, 1, w.total, to - latest
  local size = #body
  while from < size do
    local when, count = read('<I4I4', body, from)
    if ageAt(latest, when) + passed < length then break end
    total = total - count
    from = from + 8
  end
  if from > 1 then
    w.body = sub(body, from)
    w.total = total
  end
  w.latest = to
end

local function count(w, more)
  local when, body = w.latest % two32, w.body
  local size, sum = #body, more
  if size > 0 then
    local last, before = read('<I4I4', body, size - 7)
    if last == when then
      body = sub(body, 1, size - 8)
      sum = before + more
    end
  end
  w.body = body .. pack('<I4I4', when, sum)
  w.total = w.total + more
end

-- Goes on in another capacity: a larger one, unless nothing is used.
local function become(w, capacity, span, now)
  if w.total == 0 then
    local latest = w.latest
    if w.capacity == 0 then latest = startOf(latest, span) end
    latest = max(latest, now)
    if capacity == 0 then latest = slotOf(latest, span) end
    w.latest, w.body = latest, ''
  elseif capacity == 0 then
    local latest, body = w.latest, w.body
    w.body, w.total = '', 0
    for from = 1, #body, 8 do
      local when, used = read('<I4I4', body, from)
      w.latest = slotOf(latest - ageAt(latest, when), span)
      count(w, used)
    end
    w.latest = slotOf(latest, span)
  end
  w.capacity = capacity
end

-- Whether what is used is counted otherwise from now on.
local function adopt(w, amount, span, now)
  local capacity = 0
  if amount <= 64 then capacity = amount end
  if capacity == w.capacity then return false end
  if w.total == 0 or (w.capacity > 0 and (capacity == 0 or capacity > w.capacity)) then
    become(w, capacity, span, now)
    return w.total > 0
  end
  return false
end

-- When the use is that has so many before it.
local function whenAt(w, before)
  local body = w.body
  for from = 1, #body, 8 do
    local when, used = read('<I4I4', body, from)
    before = before - used
    if before < 0 then return when end
  end
end

-- Whether a cost fits; milliseconds until it does, or until more comes free. -1: never.
local function windowRoom(w, amount, span, now, cost)
  local total, latest = w.total, w.latest
  local over = total + cost - amount
  if w.capacity > 0 then
    local fits = cost == 0 or (over <= 0 and latest == now)
    if cost > amount then return fits, -1 end
    local leaving = over - 1
    if fits then leaving = max(0, total - amount) end
    if leaving >= 0 and total > 0 then
      return fits, latest - now + span - ageAt(latest, whenAt(w, leaving))
    end
    if fits then return fits, 0 end
    return fits, latest - now
  end
  local fits = cost == 0 or (over <= 0 and latest == slotOf(now, span))
  if fits and total == 0 then return fits, 0 end
  if not fits and cost > amount then return fits, -1 end
  local leaving = over
  if fits then leaving = max(1, total + 1 - amount) end
  if leaving <= 0 then return fits, startOf(latest, span) - now end
  return fits, startOf(latest - ageAt(latest, whenAt(w, leaving - 1)) + 65, span) - now
end

-- Counts more, whether there is room or not.
local function addToWindow(w, span, now, more)
  if w.capacity > 0 and w.total + more > w.capacity then become(w, 0, span, now) end
  more = min(more, two32 - 1 - w.total)
  if more > 0 then count(w, more) end
end

-- Takes back what was counted at a moment; returns how much that was.
local function giveBackToWindow(w, span, at, less)
  if at < w.since then return 0 end
  local when = at % two32
  if w.capacity == 0 then
    local slot = slotOf(at, span)
    if slot > w.latest or slot <= w.latest - 65 then return 0 end
    when = slot % two32
  end
  local body = w.body
  for from = 1, #body, 8 do
    local found, used = read('<I4I4', body, from)
    if found == when then
      local removed = min(less, used)
      local left = ''
      if used > removed then left = pack('<I4I4', when, used - removed) end
      w.body = sub(body, 1, from - 1) .. left .. sub(body, from + 8)
      w.total = w.total - removed
      return removed
    end
  end
  return 0
end

-- One whose latest moment lies ahead, by a clock that was set back: no time has passed since.
local function withoutFuture(w, span, now)
  local to = now
  if w.capacity == 0 then to = slotOf(now, span) end
  local ahead = w.latest - to
  if ahead <= 0 then return end
  local shifted = {}
  for from = 1, #w.body, 8 do
    local when, used = read('<I4I4', w.body, from)
    shifted[#shifted + 1] = pack('<I4I4', (when - ahead) % two32, used)
  end
  w.body = table.concat(shifted)
  w.latest = to
end
`
