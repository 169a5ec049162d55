// Enclosure of a Meetnet node, parametric. CERN-OHL-P-2.0, see hardware/LICENSE.
// python -m tools.hardware.enclosure renders every kind and part; so does
//   openscad -D 'part="body"' -D 'kind="bin"' -o body.stl meetnet.scad
// part: body, lid, shield; contents and cord are what has to fit inside, for checks. Millimetres.
// Print in ASA, 4 walls: body on its floor, lid on its outside, shield on its top plate; no supports.

kind = "air";          // air, noise, bin, garden
part = "body";         // body, lid, shield, contents, cord
board = [68, 28, 16];  // length, width, height of the board with its parts
cell = kind == "bin" || kind == "garden" ? [78, 22, 22] : [0, 0, 0]; // 18650 or two AA in their holder
dust = kind == "air" ? [42, 42, 14] : [0, 0, 0];                     // SPS30: 41 x 41 x 12, data sheet 5
eyes = kind == "bin" ? [64, 28, 30] : [0, 0, 0]; // ultrasonic cone and light sensor, looking through the floor
cone = 22.4;           // hole of the ultrasonic sensor: measure yours
wall = 2.4;
gap = 1.5;             // around everything inside
play = 0.3;            // between parts that slide into each other
lip = 3;               // how far the lid's inner edge reaches into the body
seal = 2;              // silicone cord in the lid, squeezed to three quarters
screw = 3;             // M3 with brass inserts, 4 mm hole
post = 8;              // column around an insert
gland = 12;            // M12 cable gland; it looks down when the node hangs by its ears
antenna = 6.5;         // SMA bulkhead

glands = kind == "garden" ? 3 : 1; // power; or soil, rain, shield
ends = post - wall + gap;          // columns stand in the corners: nothing else may
function beside(size) = size[1] > 0 ? size[1] + gap : 0;
inner = [max(board[0], cell[0], dust[0], eyes[0]) + 2 * ends,
         board[1] + beside(cell) + beside(dust) + beside(eyes) + 2 * gap,
         max(board[2], cell[2], eyes[2], kind == "air" ? 30 : 0) + gap + lip + play];
outer = [inner[0] + 2 * wall, inner[1] + 2 * wall, inner[2] + wall];
skirt = [outer[0] + 2 * (wall + play), outer[1] + 2 * (wall + play)];
squeezed = seal * 0.75;
deep = squeezed + 5; // of the channel in the lid that the body's rim goes into

module rounded(size, r = 4) {
  linear_extrude(size[2]) offset(r = r, $fn = 48) offset(r = -r, $fn = 48) square([size[0], size[1]]);
}

module columns(h, d) {
  for (x = [post / 2 + 0.5, outer[0] - post / 2 - 0.5], y = [post / 2 + 0.5, outer[1] - post / 2 - 0.5])
    translate([x, y, 0]) cylinder(h = h, d = d, $fn = 32);
}

module through_side(x, d) { // a round hole in the wall at y = 0
  translate([x, -1, outer[2] / 2]) rotate([-90, 0, 0]) cylinder(h = wall + 2, d = d, $fn = 48);
}

module openings() {
  for (i = [1 : glands]) through_side(outer[0] * i / (glands + 1), gland);
  translate([outer[0] * 0.8, outer[1] - wall - 1, outer[2] / 2]) rotate([-90, 0, 0])
    cylinder(h = wall + 2, d = antenna, $fn = 48);
  if (kind == "air") // inlet and outlet of the SPS30 through the end wall, louvres that shed rain
    for (i = [0 : 4]) translate([outer[0] - wall - 1, outer[1] - wall - gap - 40 + i * 8, 8])
      rotate([0, 20, 0]) cube([wall * 3, 4, outer[2] - 20]);
  if (kind == "noise") // quarter-inch port for the microphone, membrane glued inside
    translate([outer[0] / 2, outer[1] / 2, -1]) cylinder(h = wall + 2, d = 6.35, $fn = 48);
  if (kind == "bin") { // both look the same way, 34 mm apart
    y = outer[1] - wall - gap - eyes[1] / 2;
    translate([wall + ends + 14, y, -1]) cylinder(h = wall + 2, d = cone, $fn = 64);
    translate([wall + ends + 41, y - 4, -1]) cube([14, 8, wall + 2]);
  }
}

module body() {
  difference() {
    union() {
      difference() {
        rounded(outer);
        translate([wall, wall, wall]) rounded(inner + [0, 0, 1], 2);
      }
      intersection() { rounded(outer); columns(outer[2], post); }
      // Ears for a strap or two screws, rooted in the wall.
      for (x = [-12, outer[0] - wall / 2]) translate([x, outer[1] / 2 - 10, 0]) cube([12 + wall / 2, 20, wall]);
    }
    openings();
    translate([0, 0, outer[2] - 8]) columns(10, screw + 1);
    for (x = [-6, outer[0] + 6]) translate([x, outer[1] / 2, -1]) cylinder(h = wall + 2, d = 5, $fn = 32);
  }
}

module ring(outside, inside, h) { // between two rounded rectangles around the same middle
  difference() {
    translate([-outside, -outside, 0]) rounded([outer[0] + 2 * outside, outer[1] + 2 * outside, h], 4 + max(outside, 0));
    translate([-inside, -inside, -1]) rounded([outer[0] + 2 * inside, outer[1] + 2 * inside, h + 2], max(4 + inside, 1));
  }
}

// In the body's coordinates, upside down on the printer: the outside lies on the bed. The rim of the body
// goes into the channel between skirt and lip, where the cord lies.
module lid() {
  difference() {
    union() {
      translate([-wall - play, -wall - play, 0]) rounded([skirt[0], skirt[1], wall], 4 + wall + play);
      ring(wall + play, play, wall + deep);
      difference() {
        ring(-wall - play, -2 * wall - play, wall + squeezed + lip);
        columns(100, post + 2 * play);
      }
    }
    translate([0, 0, -1]) columns(100, screw + 0.4);
  }
}

module cord() { translate([0, 0, wall]) ring(0, -wall, squeezed); }

module contents() {
  module box(size, y) if (size[0] > 0) translate([wall + ends, wall + gap + y, wall + gap]) cube(size);
  box(board, 0);
  box(cell, board[1] + gap);
  box(dust, board[1] + gap);
  box(eyes, board[1] + gap + beside(cell));
}

// Radiation shield of stacked plates for temperature and humidity, white, open below, with an arm to screw on.
module shield(plates = 7, d = 90) {
  top = (plates - 1) * 12;
  for (i = [0 : plates - 1]) translate([0, 0, i * 12]) difference() {
    cylinder(h = 10, d1 = d, d2 = d - 22, $fn = 96);
    translate([0, 0, -1]) cylinder(h = 9, d1 = d - 4, d2 = d - 30, $fn = 96);
    if (i < plates - 1) cylinder(h = 30, d = 34, $fn = 64);
  }
  for (a = [0 : 120 : 359]) rotate(a) translate([d / 2 - 16, 0, 0]) cylinder(h = top + 9, d = 5, $fn = 24);
  difference() {
    translate([0, -10, top + 10 - wall]) cube([d / 2 + 26, 20, wall]);
    for (x = [d / 2 + 6, d / 2 + 18]) translate([x, 0, top]) cylinder(h = 12, d = 5, $fn = 32);
  }
}

if (part == "lid") lid();
else if (part == "shield") shield();
else if (part == "contents") contents();
else if (part == "cord") cord();
else body();
