// Enclosure of a Meetnet node, parametric. CERN-OHL-P-2.0, see hardware/LICENSE.
// openscad -D 'part="body"' -D 'kind="bin"' -o body.stl meetnet.scad     part: body, lid, shield
// Print in ASA, 4 walls, body upside down, without supports. Dimensions in millimetres.

kind = "air";          // air, noise, bin, garden
part = "body";         // body, lid, shield
board = [68, 28, 16];  // length, width, height of the board with its parts
cell = kind == "bin" || kind == "garden" ? [78, 22, 22] : [0, 0, 0];
wall = 2.4;
gap = 1.5;             // around the board
seal = 2;              // cord of silicone in the lid
screw = 3;             // M3 with brass inserts
gland = 12;            // M12 cable gland

inner = [max(board[0], cell[0]) + 2 * gap,
         board[1] + (cell[1] > 0 ? cell[1] + gap : 0) + (kind == "air" ? 44 : 0) + 2 * gap,
         max(board[2], cell[2], kind == "air" ? 42 : 0) + 2 * gap];
outer = [inner[0] + 2 * wall, inner[1] + 2 * wall, inner[2] + wall];

module rounded(size, r = 4) {
  linear_extrude(size[2]) offset(r) offset(-r) square([size[0], size[1]]);
}

module posts(h, d) {
  for (x = [5, outer[0] - 5], y = [5, outer[1] - 5]) translate([x, y, 0]) cylinder(h = h, d = d, $fn = 32);
}

module openings() {
  // The cable gland looks down: water runs off.
  translate([outer[0] / 2, -1, outer[2] / 2]) rotate([-90, 0, 0]) cylinder(h = wall + 2, d = gland, $fn = 48);
  if (kind == "air") {
    // Inlet and outlet of the SPS30 face the same way, apart, behind louvres.
    for (i = [0 : 5]) translate([outer[0] - wall - 1, outer[1] - 40 + i * 6, 8])
      rotate([0, 30, 0]) cube([wall * 3, 3, 30]);
  }
  if (kind == "noise") {
    // Quarter-inch port for the microphone, membrane glued inside.
    translate([outer[0] / 2, outer[1] / 2, -1]) cylinder(h = wall + 2, d = 6.35, $fn = 48);
  }
  if (kind == "bin") {
    // Ultrasonic cone (22 mm thread) and the window of the light sensor, 40 mm apart.
    translate([outer[0] / 2 - 20, outer[1] / 2, -1]) cylinder(h = wall + 2, d = 22.4, $fn = 64);
    translate([outer[0] / 2 + 14, outer[1] / 2 - 4, -1]) cube([14, 8, wall + 2]);
  }
}

module body() {
  difference() {
    union() {
      difference() {
        rounded(outer);
        translate([wall, wall, wall]) rounded(inner + [0, 0, 1], 2);
      }
      intersection() { rounded(outer); posts(outer[2], 8); }
    }
    openings();
    translate([0, 0, outer[2] - 8]) posts(10, screw + 1);
  }
  // Ears for a strap or two screws.
  for (x = [-12, outer[0]]) translate([x, outer[1] / 2 - 10, 0]) difference() {
    cube([12, 20, wall]);
    translate([6, 10, -1]) cylinder(h = wall + 2, d = 5, $fn = 32);
  }
}

module lid() {
  difference() {
    rounded([outer[0], outer[1], wall + seal]);
    translate([wall / 2 + 1, wall / 2 + 1, wall]) difference() {
      rounded([outer[0] - wall - 2, outer[1] - wall - 2, seal + 1], 3);
      translate([seal, seal, -1]) rounded([outer[0] - wall - 2 - 2 * seal, outer[1] - wall - 2 - 2 * seal, seal + 3], 2);
    }
    translate([0, 0, -1]) posts(wall + seal + 2, screw + 0.4);
  }
}

// Radiation shield of stacked plates for temperature and humidity, white, open below.
module shield(plates = 7, d = 90) {
  for (i = [0 : plates - 1]) translate([0, 0, i * 12]) difference() {
    cylinder(h = 10, d1 = d, d2 = d - 22, $fn = 96);
    translate([0, 0, -1]) cylinder(h = 9, d1 = d - 4, d2 = d - 30, $fn = 96);
    if (i < plates - 1) cylinder(h = 30, d = 34, $fn = 64);
  }
  for (a = [0 : 120 : 359]) rotate(a) translate([d / 2 - 16, 0, 0]) cylinder(h = (plates - 1) * 12 + 6, d = 5, $fn = 24);
}

if (part == "lid") lid();
else if (part == "shield") shield();
else body();
