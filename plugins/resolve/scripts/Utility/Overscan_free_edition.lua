-- Workspace > Scripts > Overscan > Overscan free edition: the free edition of Resolve lists scripts in Lua only.
-- It says what is missing, and prepares the way that works with every edition: a folder that Overscan watches.

local title = "[overscan] "

local function say(words)
	print(title .. words)
end

local home = os.getenv("HOME") or os.getenv("USERPROFILE") or ""
local separator = package.config:sub(1, 1)
local base = home .. separator .. "Overscan"
local from, to = base .. separator .. "in", base .. separator .. "out"

-- Names that a shell could take for more than names are not handed to one.
local function made(folder)
	if folder:find('["`$%%\r\n]') then
		return false
	end
	if separator == "\\" then
		os.execute('mkdir "' .. folder .. '" >NUL 2>NUL')
	else
		os.execute('mkdir -p "' .. folder .. '"')
	end
	local probe = io.open(folder .. separator .. ".overscan", "w")
	if probe == nil then
		return false
	end
	probe:close()
	os.remove(folder .. separator .. ".overscan")
	return true
end

local jobs = {
	inpaint = "# What to do with the sequences in this folder: a job file without plate and output.\n"
		.. "# The matte is the sequence in a folder named matte beside the plate; 1 is replaced.\n"
		.. "inpaint: {}\n",
	extend = "# What to do with the sequences in this folder: a job file without plate and output.\n"
		.. "# Write the format that you want; the plate lies in its middle.\n"
		.. "extend:\n  format: 2880x1080\n",
}

-- A job file that is there is somebody's own, and stays.
local function prepared(task)
	local folder = from .. separator .. task
	if not made(folder) then
		return false
	end
	local path = folder .. separator .. "overscan.yaml"
	local there = io.open(path, "r")
	if there ~= nil then
		there:close()
		return true
	end
	local file = io.open(path, "w")
	if file == nil then
		return false
	end
	file:write(jobs[task])
	file:close()
	return true
end

local ready = home ~= "" and made(from) and made(to) and prepared("inpaint") and prepared("extend")

local product = "This Resolve"
local found = resolve or (app and app.GetResolve and app:GetResolve())
if found then
	product = found:GetProductName() or product
end

if product:find("Studio") then
	say("This is " .. product .. ": use Overscan's other scripts, on the Edit and Color pages.")
else
	say(product .. " has no windows for Overscan: Python scripts and their windows need Resolve Studio.")
end

if ready then
	say("What works with every edition is a folder that Overscan watches:")
	say("  1. In a shell, run:  overscan watch-folder \"" .. from .. "\" \"" .. to .. "\"")
	say("  2. On the Deliver page, render the clip as EXR into a folder of its own in " .. from .. separator .. "inpaint")
	say("     or " .. separator .. "extend; overscan.yaml there says what is done. For inpaint render the matte into a")
	say("     folder named matte beside it.")
	say("  3. The result comes as v001, v002 ... in " .. to .. ": put it on the track above the clip.")
else
	say("The folder " .. base .. " could not be made. Choose two folders, and run:  overscan watch-folder IN OUT")
end
