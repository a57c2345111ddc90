//! What faces look like: read from every encoding, shown in an atlas, and refused where it is broken.

use super::{buildings, fixture_path, geodetic, is_glb, play, published, tiles, to_earth};
use crate::crs::{Crs, Operation};
use crate::dataset::city_model::model::{Building, Face, Skin, Texture};
use crate::dataset::city_model::reader::{self, Wanted};
use crate::dataset::testing::Harness;
use crate::format::picture;
use crate::io::Source;
use crate::raster::{Rgbx, Wrap};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

const FILE: &str = "textured/LoD2_32_565_5950_1_SH.gml";
const PICTURE: &str = "appearance/squares.png";

fn text() -> String {
    std::fs::read_to_string(fixture_path(FILE)).unwrap()
}

fn squares() -> Vec<u8> {
    std::fs::read(fixture_path("textured").join(PICTURE)).unwrap()
}

/// The text with its `appearanceMember` cut out, and that.
fn apart(text: &str) -> (String, String) {
    let start = text.find("  <app:appearanceMember>").unwrap();
    let end = text.find("</app:appearanceMember>\n").unwrap() + "</app:appearanceMember>\n".len();
    (format!("{}{}", &text[..start], &text[end..]), text[start..end].to_owned())
}

/// Plays a file with pictures beside it.
fn play_with(text: &[u8], pictures: &[(&str, &[u8])], more: &Value) -> (Harness, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in pictures.iter().copied().chain([("house.gml", text)]) {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let source = Source::of_file(&folder.path().join("house.gml"), "in/house.gml").unwrap();
    let mut options = json!({ "geoid": fixture_path("geoid.gtx") });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    (play(&options, vec![source]), folder)
}

fn skins(building: &Building) -> Vec<Option<&Skin>> {
    building.all_faces().map(|face| face.skin.as_deref()).collect()
}

fn texture(face: &Face) -> &Texture {
    match face.skin.as_deref() {
        Some(Skin::Texture(texture)) => texture,
        other => panic!("{other:?}"),
    }
}

/// What the fixture says of a point of the textured house, by its walls: written anew, not read. `None` for the ground.
fn wanted(face: &Face, [east, north, up]: [f64; 3]) -> Option<[f64; 2]> {
    let (x, y, z) = ((east - 565_160.0) / 10.0, (north - 5_950_200.0) / 8.0, (up - 30.0) / 6.0);
    let all = |axis: usize, value: f64| face.rings[0].iter().all(|point| (point[axis] - value).abs() < 1e-6);
    if all(2, 36.0) {
        return Some([x, y]);
    }
    let (from, along) = if all(1, 5_950_200.0) {
        ([0.0, 0.0], x)
    } else if all(0, 565_170.0) {
        ([0.5, 0.0], y)
    } else if all(1, 5_950_208.0) {
        ([0.0, 0.5], 1.0 - x)
    } else if all(0, 565_160.0) {
        ([0.5, 0.5], 1.0 - y)
    } else {
        return None;
    };
    Some([from[0] + along / 2.0, from[1] + z / 2.0])
}

/// The colour of the picture at a place, from its rule; `None` near the border of a square.
fn square([s, t]: [f64; 2]) -> Option<[u8; 3]> {
    let [x, y] = [s * 8.0, (1.0 - t) * 8.0];
    let inside = |value: f64| (0.3..0.7).contains(&(value - value.floor()));
    let (i, j) = (x as u8, y as u8);
    (inside(x) && inside(y)).then(|| [i * 32 + 16, j * 32 + 16, if (i + j) % 2 == 1 { 40 } else { 215 }])
}

#[test]
fn the_fixture_has_textures_and_colours() {
    let buildings = buildings(&text());
    assert_eq!(buildings.len(), 2);
    let mut textured = 0;
    for face in &buildings[0].faces {
        let Some(_) = wanted(face, face.rings[0][0]) else {
            assert_eq!(face.skin, None);
            continue;
        };
        textured += 1;
        let texture = texture(face);
        assert_eq!((texture.picture.as_str(), texture.wrap), (PICTURE, Wrap::Clamp));
        for (point, place) in face.rings[0].iter().zip(&texture.places[0]) {
            let want = wanted(face, *point).unwrap();
            assert!((0..2).all(|axis| (f64::from(place[axis]) - want[axis]).abs() < 1e-6), "{point:?}: {place:?}, not {want:?}");
        }
    }
    assert_eq!(textured, 5);
    let blue = Skin::Colour([51, 102, 204]);
    assert_eq!(skins(&buildings[1]).iter().filter(|skin| **skin == Some(&blue)).count(), 4);
    assert_eq!(skins(&buildings[1]).iter().filter(|skin| skin.is_none()).count(), 2);
}

#[test]
fn where_an_appearance_stands_and_in_which_version_makes_no_difference() {
    let text = text();
    let want = buildings(&text);
    let (without, appearance) = apart(&text);
    assert!(buildings(&without).iter().all(|building| skins(building).iter().all(Option::is_none)));
    // In front of the buildings: one reading is enough.
    let before = without.replacen("  <core:cityObjectMember>", &format!("{appearance}  <core:cityObjectMember>"), 1);
    let document = reader::read(before.as_bytes(), "x", Wanted::default(), None, |_| Ok(None)).unwrap();
    assert!(document.late.is_none());
    assert_eq!(buildings(&before), want);
    // Within a building, before and behind its geometry, and in its surfaces.
    let own = appearance.replace("appearanceMember>", "appearance>");
    for place in ["      <bldg:lod2Solid>", "    </bldg:Building>", "          <bldg:lod2MultiSurface>"] {
        let first = without.find("DESHMUSTER000011").unwrap();
        let at = first + without[first..].find(place).unwrap();
        let within = format!("{}{own}{}", &without[..at], &without[at..]);
        let read = buildings(&within);
        assert_eq!(read[0], want[0], "{place}");
        assert!(skins(&read[1]).iter().all(Option::is_none), "it is the first building's own");
    }
    assert_eq!(buildings(&text.replace("/1.0\"", "/2.0\"")), want);
    // 3.0: associations, rings behind the lists, another name of the member.
    let mut three =
        appearance.replace("surfaceDataMember", "surfaceData").replace("app:appearanceMember", "core:appearanceMember");
    for name in ["south", "east", "north", "west", "roof"] {
        let old = format!("<app:target uri=\"#T_{name}\"><app:TexCoordList><app:textureCoordinates ring=\"#T_{name}_R\">");
        assert!(three.contains(&old));
        let target = format!("<app:target>#T_{name}</app:target><app:textureParameterization>");
        three = three.replace(
            &old,
            &format!("<app:textureParameterization><app:TextureAssociation>{target}<app:TexCoordList><app:textureCoordinates><!--{name}-->"),
        );
        let from = three.find(&format!("<!--{name}-->")).unwrap();
        let end = from + three[from..].find("</app:textureCoordinates></app:TexCoordList></app:target>").unwrap();
        let old = "</app:textureCoordinates></app:TexCoordList></app:target>";
        let close = "</app:TexCoordList></app:textureParameterization></app:TextureAssociation></app:textureParameterization>";
        three.replace_range(end..end + old.len(), &format!("</app:textureCoordinates><app:ring>#T_{name}_R</app:ring>{close}"));
    }
    assert_eq!(buildings(&before.replace(&appearance, &three)), want);
}

#[test]
fn the_theme_with_most_textures_counts_then_the_first_by_name() {
    let text = text();
    let (without, appearance) = apart(&text);
    let at = |themes: &[String]| {
        let all = themes.concat();
        buildings(&without.replacen("  <core:cityObjectMember>", &format!("{all}  <core:cityObjectMember>"), 1))
    };
    let named = |name: &str| appearance.replace("rgbTexture", name).replace("squares", name);
    let shown = |buildings: &[Building]| -> Vec<String> {
        buildings[0].pictures().map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
    };
    assert_eq!(shown(&at(&[named("winter"), named("summer")])), ["appearance/summer.png"]);
    let fewer = named("summer").replace("#T_roof_R", "#T_nothing");
    assert_eq!(shown(&at(&[fewer, named("winter")])), ["appearance/winter.png"]);
    // Each object has its own: the second house has colours in one theme only.
    let plain = named("a").replace("#M_", "#N_").replace("#T_", "#U_");
    assert_eq!(at(&[plain, named("winter")])[1], buildings(&text)[1]);
}

#[test]
fn cityjson_says_the_same() {
    let want = buildings(&text());
    let mut vertices: Vec<[f64; 3]> = Vec::new();
    let (mut places, mut boundaries, mut textures, mut colours): (Vec<Value>, Vec<Value>, Vec<Value>, Vec<Value>) =
        Default::default();
    for face in want.iter().flat_map(|building| &building.faces) {
        let mut number = |point: &[f64; 3]| {
            vertices.iter().position(|known| known == point).unwrap_or_else(|| {
                vertices.push(*point);
                vertices.len() - 1
            })
        };
        boundaries.push(json!([face.rings[0].iter().map(&mut number).collect::<Vec<_>>()]));
        colours.push(if matches!(face.skin.as_deref(), Some(Skin::Colour(_))) { json!(1) } else { Value::Null });
        textures.push(match face.skin.as_deref() {
            Some(Skin::Texture(texture)) => {
                let first = places.len();
                places.extend(texture.places[0].iter().map(|place| json!(place)));
                json!([std::iter::once(0).chain(first..places.len()).collect::<Vec<_>>()])
            }
            _ => json!([[null]]),
        });
    }
    let building = |from: usize, to: usize| {
        json!({ "type": "Building", "geometry": [{
            "type": "Solid", "lod": "2", "boundaries": [boundaries[from..to]],
            "texture": { "t": { "values": [textures[from..to]] } }, "material": { "t": { "values": [colours[from..to]] } },
        }] })
    };
    let half = want[0].faces.len();
    let text = json!({
        "type": "CityJSON", "version": "2.0", "vertices": vertices,
        "CityObjects": { "DESHMUSTER000011": building(0, half), "DESHMUSTER000012": building(half, boundaries.len()) },
        "appearance": {
            "materials": [{ "name": "none" }, { "name": "blue", "diffuseColor": [0.2, 0.4, 0.8] }],
            "textures": [{ "type": "PNG", "image": PICTURE, "wrapMode": "none" }], "vertices-texture": places,
        },
    })
    .to_string();
    let read = buildings(&text);
    for (read, want) in read.iter().zip(&want) {
        assert_eq!(skins(read), skins(want));
    }
    // One material for all, and numbers that lead nowhere.
    let whole = text.replace(&json!({ "values": [colours[half..]] }).to_string(), "{\"value\":1}");
    assert_ne!(whole, text);
    assert_eq!(skins(&buildings(&whole)[1]), [Some(&Skin::Colour([51, 102, 204])); 6]);
    for broken in [
        text.replace("[0,0,1,2,3]", "[0,0,1,2]"),
        text.replace("[0,0,1,2,3]", "[0,0,1,2,999]"),
        text.replace("[0,0,1,2,3]", "[7,0,1,2,3]"),
    ] {
        assert_ne!(broken, text);
        let (read, document) = findings(&broken);
        assert_eq!(skins(&read[0]).iter().filter(|skin| skin.is_none()).count(), 2);
        assert_eq!(document, ["faces whose texture coordinates do not fit their rings, in plain colour: 1"]);
    }
}

/// The buildings, and what was told of their textures.
fn findings(text: &str) -> (Vec<Building>, Vec<String>) {
    let mut known = None;
    loop {
        let mut out = Vec::new();
        let document = reader::read(text.as_bytes(), "x", Wanted::default(), known.take(), |building| {
            out.push(building);
            Ok(None)
        })
        .unwrap();
        let told = document.found.findings.into_iter().filter(|it| it.code == "mk::city_model::texture").map(|it| it.reason);
        match document.late {
            Some(late) => known = Some(late),
            None => return (out, told.collect()),
        }
    }
}

#[test]
fn texture_coordinates_that_do_not_fit_are_told_and_the_face_is_plain() {
    let text = text();
    let south = "0.0 0.0 0.5 0.0 0.5 0.5 0.0 0.5 0.0 0.0";
    for changed in [
        "0.0 0.0 0.5 0.0 0.5 0.5 0.0 0.5",
        "0.0 0.0 0.5 0.0 0.5 0.5 0.0 0.5 0.0",
        "0.0 NaN 0.5 0.0 0.5 0.5 0.0 0.5 0.0 0.0",
        "0.0 x 0.5 0.0 0.5 0.5 0.0 0.5 0.0 0.0",
        "0.0 1e30 0.5 0.0 0.5 0.5 0.0 0.5 0.0 0.0",
        "",
    ] {
        let (read, told) = findings(&text.replacen(south, changed, 1));
        assert_eq!(told, ["faces whose texture coordinates do not fit their rings, in plain colour: 1"], "{changed}");
        assert_eq!(skins(&read[0]).iter().filter(|skin| skin.is_none()).count(), 2);
    }
    // A position that comes twice in a row has two places; one of them is left out with it.
    let twice = text.replacen(
        "565160.000 5950200.000 30.000 565170.000 5950200.000 30.000",
        "565160.000 5950200.000 30.000 565160.000 5950200.000 30.000 565170.000 5950200.000 30.000",
        2,
    );
    let (read, told) = findings(&twice.replacen(south, &format!("0.0 0.0 {south}"), 1));
    let doubled = twice.matches("565160.000 5950200.000 30.000 565160.000 5950200.000 30.000").count();
    assert!(doubled >= 1);
    assert_eq!((told.len(), skins(&read[0])), (0, skins(&buildings(&text)[0])));
}

#[test]
fn every_face_shows_its_part_of_the_picture() {
    let jpeg = {
        let source = picture::decode_sized(&squares(), [256, 256]).unwrap();
        crate::format::jpeg::Encoder::new(95).unwrap().encode(&source).unwrap()
    };
    let as_jpeg = text().replace("squares.png", "squares.jpg");
    let (file, _a) = play_with(text().as_bytes(), &[(PICTURE, &squares())], &json!({}));
    let (plain, _b) = play_with(text().as_bytes(), &[(PICTURE, &squares())], &json!({ "compression": "none" }));
    let (other, _c) = play_with(as_jpeg.as_bytes(), &[("appearance/squares.jpg", &jpeg)], &json!({}));
    let one_wall =
        text().replace("#T_south_R", "#x").replace("#T_north_R", "#x").replace("#T_roof_R", "#x").replace("#T_west_R", "#x");
    let (cropped, _d) = play_with(one_wall.as_bytes(), &[(PICTURE, &squares())], &json!({}));
    let operation = Operation::between(Crs(4258), Crs::UTM32, &[]).unwrap();
    let house = buildings(&text()).remove(0);
    for (harness, triangles, side) in [(&file, 10, 512), (&plain, 10, 512), (&other, 10, 512), (&cropped, 2, 256)] {
        assert!(harness.errors.is_empty(), "{:?}", harness.errors);
        super::check_tileset(harness);
        let tileset: Value = serde_json::from_slice(&std::fs::read(harness.output().join("tileset.json")).unwrap()).unwrap();
        let matrix: Vec<f64> =
            tileset["root"]["children"][0]["transform"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        let (_, tile) = tiles(harness).remove(0);
        let (media_type, bytes) = tile.picture().unwrap();
        assert_eq!(media_type, "image/jpeg");
        let [width, height] = picture::size(&bytes).unwrap();
        assert_eq!(width, side);
        let atlas = picture::decode_sized(&bytes, [width, height]).unwrap();
        let ids = tile.texts("id");
        let all = tile.triangles();
        assert_eq!(all.len(), 24, "two boxes");
        let textured: Vec<_> = all.iter().filter(|triangle| triangle.places.is_some()).collect();
        assert_eq!(textured.len(), triangles);
        let mut looked_at = 0;
        for triangle in textured {
            assert_eq!(ids[triangle.feature], "DESHMUSTER000011");
            // Where the corners stand in the map, and what the fixture says of that place.
            let corners = triangle.corners.map(|corner| {
                let [longitude, latitude, height] = geodetic(to_earth(&matrix, corner));
                let mut place = [[longitude.to_degrees(), latitude.to_degrees()]];
                operation.forward(&mut place).unwrap();
                [place[0][0], place[0][1], height - 39.5 - (longitude.to_degrees() - 9.8)]
            });
            let near = |a: [f64; 3], b: [f64; 3]| (0..3).all(|axis| (a[axis] - b[axis]).abs() < 0.02);
            let face = house
                .faces
                .iter()
                .find(|face| corners.iter().all(|corner| face.rings[0].iter().any(|point| near(*point, *corner))));
            let face = face.unwrap_or_else(|| panic!("{corners:?} is no face"));
            let source = corners.map(|corner| wanted(face, corner).unwrap());
            let places = triangle.places.unwrap();
            for (a, b) in (0..20).flat_map(|a| (0..20 - a).map(move |b| (a, b))) {
                let weights = [f64::from(a) / 19.0, f64::from(b) / 19.0, 1.0 - f64::from(a + b) / 19.0];
                let mixed = |of: [[f64; 2]; 3]| -> [f64; 2] {
                    std::array::from_fn(|axis| (0..3).map(|corner| of[corner][axis] * weights[corner]).sum())
                };
                let Some(want) = square(mixed(source)) else { continue };
                let [u, v] = mixed(places);
                let found = atlas.pixel((u * width as f64) as usize, (v * height as f64) as usize);
                // Neighbouring squares differ by 32 in red or green, and by 175 in blue.
                let near = |channel: usize, most: u8| found[channel].abs_diff(want[channel]) < most;
                assert!(
                    near(0, 14) && near(1, 14) && near(2, 40),
                    "{found:?}, not {want:?}, at {:?} of {corners:?}",
                    mixed(source)
                );
                looked_at += 1;
            }
        }
        assert!(looked_at > triangles * 15, "{looked_at}");
    }
    // The other house has its colour on the walls, linear, and the class's on its roof.
    let (_, tile) = tiles(&file).remove(0);
    let colours: BTreeSet<[u8; 4]> = tile.colours().into_iter().collect();
    assert_eq!(colours, BTreeSet::from([[8, 34, 154, 255], [153, 33, 20, 255], [64, 59, 54, 255]]));
    // Compression changes nothing but bytes.
    let corners = |harness: &Harness| -> BTreeSet<String> {
        tiles(harness)[0]
            .1
            .triangles()
            .iter()
            .flat_map(|t| (0..3).map(|at| format!("{:?} {:?}", t.corners[at], t.places.map(|p| p[at]))))
            .collect()
    };
    assert_eq!(corners(&file), corners(&plain));
}

#[test]
fn a_changed_picture_makes_a_new_tile_and_nothing_else_is_done() {
    let (before, _a) = play_with(text().as_bytes(), &[(PICTURE, &squares())], &json!({}));
    let (same, _b) = play_with(text().as_bytes(), &[(PICTURE, &squares())], &json!({}));
    assert_eq!(published(&before), published(&same));
    let mut changed = picture::decode_sized(&squares(), [256, 256]).unwrap();
    changed.pixels_mut().chunks_exact_mut(4).take(9_000).for_each(|pixel| pixel[0] = 250);
    let changed = picture::Encoder::new(picture::Codec::Png).unwrap().encode_part(&changed, [0, 0], [256; 2]).unwrap().unwrap();
    let (after, _c) = play_with(text().as_bytes(), &[(PICTURE, &changed)], &json!({}));
    assert_eq!(after.changed_since(&before).into_iter().collect::<Vec<_>>(), ["1/565000_5950000"]);
    let names = |harness: &Harness| published(harness).into_keys().filter(|path| is_glb(path)).collect::<Vec<_>>();
    assert_ne!(names(&before), names(&after));
    // Colours by function tell something: no picture is looked for.
    let (thematic, _d) = play_with(text().as_bytes(), &[(PICTURE, &squares())], &json!({ "colour": "function" }));
    let (untextured, _e) = play_with(apart(&text()).0.as_bytes(), &[], &json!({ "colour": "function" }));
    assert_eq!(names(&thematic), names(&untextured));
}

#[test]
fn pictures_lie_in_the_same_archive() {
    let (beside, _a) = play_with(text().as_bytes(), &[(PICTURE, &squares())], &json!({}));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    for (name, bytes) in [("lod2/house.gml", text().into_bytes()), ("lod2/appearance/squares.png", squares())] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&bytes).unwrap();
    }
    zip.finish().unwrap();
    let digest = crate::io::Digest::of(text().as_bytes());
    let member = Some("lod2/house.gml".to_owned());
    let source = Source { name: "in/a.zip!lod2/house.gml".to_owned(), path, member, size: text().len() as u64, digest };
    let harness = play(&json!({ "geoid": fixture_path("geoid.gtx") }), vec![source]);
    assert_eq!(published(&harness), published(&beside));
}

#[test]
fn pictures_that_are_missing_broken_or_elsewhere_are_told_and_faces_are_plain() {
    let text = text();
    let named = |name: &str| text.replace(PICTURE, name);
    // A header that promises 65,500 × 65,500 pixels, and one of a gigabyte as PNG.
    let huge_jpeg = {
        let mut bytes = crate::format::jpeg::Encoder::new(50).unwrap().encode(&Rgbx::empty(16, 16)).unwrap();
        let at = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        bytes[at + 5..at + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
        bytes
    };
    let huge_png = {
        let mut bytes = squares();
        bytes[16..24].copy_from_slice(&[0, 0, 0x80, 0, 0, 0, 0x80, 0]);
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        bytes
    };
    let cut = &squares()[..300];
    let mut told = Vec::new();
    for (text, pictures) in [
        (text.clone(), vec![]),
        (named("../secret.png"), vec![]),
        (named("/etc/hostname"), vec![]),
        (named("https://example.org/a.png"), vec![]),
        (named("file:///etc/hostname"), vec![]),
        (named(""), vec![]),
        (text.clone(), vec![(PICTURE, &b"GIF89a"[..])]),
        (text.clone(), vec![(PICTURE, &b""[..])]),
        (text.clone(), vec![(PICTURE, cut)]),
        (text.clone(), vec![(PICTURE, &huge_jpeg[..])]),
        (text.clone(), vec![(PICTURE, &huge_png[..])]),
    ] {
        let (harness, _folder) = play_with(text.as_bytes(), &pictures, &json!({}));
        assert!(harness.errors.is_empty(), "{:?}", harness.errors);
        let (_, tile) = tiles(&harness).remove(0);
        assert!(tile.picture().is_none() && tile.triangles().len() == 24);
        assert!(tile.json.get("textures").is_none() && tile.json["materials"].as_array().unwrap().len() == 1);
        told.extend(
            harness.outcomes(1).flat_map(|(_, outcome)| &outcome.findings).map(|it| format!("{} [{}]", it.reason, it.code)),
        );
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn holes_in_a_picture_stay_holes() {
    let mut source = picture::decode_sized(&squares(), [256, 256]).unwrap();
    for y in 40..80 {
        source.row_mut(y)[160..320].fill(0);
    }
    let bytes = picture::Encoder::new(picture::Codec::Png).unwrap().encode_part(&source, [0, 0], [256; 2]).unwrap().unwrap();
    let (harness, _folder) = play_with(text().as_bytes(), &[(PICTURE, &bytes)], &json!({}));
    let (_, tile) = tiles(&harness).remove(0);
    let (media_type, _) = tile.picture().unwrap();
    assert_eq!(media_type, "image/png");
    assert_eq!(tile.json["materials"][1]["alphaMode"], "MASK");
    if let Some(copy) = std::env::var_os("CITY_MODEL_TEXTURED") {
        let name = Path::new(&copy).join("holes.glb");
        let path = published(&harness).into_keys().find(|path| is_glb(path)).unwrap();
        std::fs::copy(harness.output().join(path), name).unwrap();
    }
}
