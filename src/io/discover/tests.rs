use super::*;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

#[derive(Default)]
struct Memory {
    known: BTreeMap<String, (Stat, Vec<Source>)>,
    puts: usize,
    hits: Cell<usize>,
}

impl StatCache for Memory {
    fn get(&self, path: &str, stat: &Stat) -> Option<Vec<Source>> {
        let (known, sources) = self.known.get(path)?;
        (known == stat).then(|| {
            self.hits.set(self.hits.get() + 1);
            sources.clone()
        })
    }
    fn put(&mut self, path: &str, stat: &Stat, sources: &[Source]) {
        self.puts += 1;
        self.known.insert(path.to_owned(), (*stat, sources.to_vec()));
    }
}

struct Tree(tempfile::TempDir);

impl Tree {
    fn new(files: &[&str]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for file in files {
            tree.write(file, file.as_bytes());
        }
        tree
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), bytes).unwrap();
    }
    fn zip(&self, name: &str, members: &[(&str, &[u8])]) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        let mut writer = zip::ZipWriter::new(File::create(self.path(name)).unwrap());
        for (member, bytes) in members {
            writer.start_file(*member, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap();
    }
    fn find(&self, patterns: &[&str], kind: &[&str], cache: &mut dyn StatCache) -> Result<Discovered> {
        let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        discover(&Request { folder: self.0.path(), patterns: &patterns, kind_patterns: kind, settle: Duration::ZERO }, cache)
    }
    fn found(&self, patterns: &[&str], kind: &[&str]) -> Discovered {
        self.find(patterns, kind, &mut NoCache).unwrap()
    }
}

fn names(found: &Discovered) -> Vec<&str> {
    found.sources.iter().map(|source| source.name.as_str()).collect()
}

fn refusals(found: &Discovered) -> Vec<(&str, &str)> {
    found.refused.iter().map(|refused| (refused.place.file.as_deref().unwrap_or(""), refused.code.as_str())).collect()
}

#[test]
fn files_folders_and_globs() {
    let tree =
        Tree::new(&["in/b.tif", "in/a.tif", "in/readme.txt", "in/deep/c.tif", "in/.hidden.tif", "in/x[1].tif", "other/d.tif"]);
    assert_eq!(names(&tree.found(&["in/a.tif", "./in/a.tif"], &[])), ["in/a.tif"]);
    assert_eq!(names(&tree.found(&["in/*.tif"], &["*.xml"])), ["in/a.tif", "in/b.tif", "in/x[1].tif"]);
    assert_eq!(names(&tree.found(&["in/x[1].tif"], &[])), ["in/x[1].tif"]);
    assert_eq!(names(&tree.found(&["in"], &["*.tif"])), ["in/a.tif", "in/b.tif", "in/deep/c.tif", "in/x[1].tif"]);
    assert_eq!(names(&tree.found(&["**/c.tif", "oth*/{d,e}.tif"], &[])), ["in/deep/c.tif", "other/d.tif"]);
    let absolute = tree.path("other/*.tif").display().to_string();
    assert_eq!(tree.found(&[&absolute], &[]).sources[0].name, tree.path("other/d.tif").display().to_string());
    let none = tree.found(&["in/*.jp2", "nowhere/*.tif", "in/none.tif", "in/a.tif"], &[]);
    assert_eq!((none.unmatched.len(), none.sources.len()), (3, 1));
    let source = &tree.found(&["in/a.tif"], &[]).sources[0];
    assert_eq!((source.size, source.digest), (8, Digest::of(b"in/a.tif")));
}

#[test]
fn what_is_no_file_pattern_is_refused() {
    let tree = Tree::new(&[]);
    for pattern in ["/vsicurl/http://x/a.tif", "https://example.org/a.tif", "vrt://a.tif", "a\0b", "<VRTDataset>", "in/[a"] {
        let error = tree.find(&[pattern], &[], &mut NoCache).err().unwrap();
        assert_eq!((error.code(), error.exit_code()), ("mk::discover::pattern", crate::Exit::Usage), "{pattern:?}");
    }
}

#[test]
fn members_of_archives_are_sources() {
    let tree = Tree::new(&[]);
    tree.zip("in/a.dat", &[("d/x.gml", b"<x/>"), ("readme.txt", b"hello"), ("__MACOSX/._x.gml", b"?"), ("d/", b"")]);
    let found = tree.found(&["in/*.dat"], &["*.gml"]);
    assert_eq!(names(&found), ["in/a.dat!d/x.gml"]);
    let source = &found.sources[0];
    assert_eq!((source.size, source.digest), (4, Digest::of(b"<x/>")));
    assert_eq!(source.bytes(Limits::default()).unwrap(), b"<x/>");
    let local = source.local(tree.0.path()).unwrap();
    assert_eq!((std::fs::read(&local).unwrap(), local.file_name().unwrap().to_str().unwrap()), (b"<x/>".to_vec(), "x.gml"));
    assert_eq!(source.file_name(), "x.gml");
}

#[test]
fn what_is_broken_is_refused_and_the_others_stay() {
    let tree = Tree::new(&["in/good.xml"]);
    tree.write("in/cut.zip", b"PK\x03\x04 and no more");
    tree.write("in/a.xml", b"\xfd7zXZ\0");
    tree.zip("in/nested.zip", &[("inner.zip", b"PK\x05\x06"), ("ok.xml", b"<a/>")]);
    rustix::fs::mknodat(rustix::fs::CWD, tree.path("in/pipe"), rustix::fs::FileType::Fifo, 0o644.into(), 0).unwrap();
    let found = tree.found(&["in/*"], &[]);
    assert_eq!(names(&found), ["in/good.xml", "in/nested.zip!ok.xml"]);
    assert_eq!(
        refusals(&found),
        [
            ("in/a.xml", "mk::io::packing"),
            ("in/cut.zip", "mk::archive::truncated"),
            ("in/nested.zip!inner.zip", "mk::archive::nested"),
            ("in/pipe", "mk::discover::special"),
        ]
    );
    // Whatever the kind reads, an archive may hold it; documents that are packed like one do not.
    let mut inner = std::io::Cursor::new(Vec::new());
    zip::ZipWriter::new(&mut inner).finish().unwrap();
    tree.zip("in/nested.zip", &[("inner.zip", inner.get_ref()), ("a.docx", inner.get_ref()), ("ok.xml", b"<a/>")]);
    let found = tree.found(&["in/nested.zip"], &["*.xml"]);
    assert_eq!(names(&found), ["in/nested.zip!ok.xml"]);
    assert_eq!(refusals(&found), [("in/nested.zip!inner.zip", "mk::archive::nested")]);
}

#[test]
fn links_may_not_lead_out() {
    let outside = Tree::new(&["secret.tif"]);
    let tree = Tree::new(&["in/a.tif", "shared/b.tif"]);
    std::os::unix::fs::symlink(outside.path("secret.tif"), tree.path("in/link.tif")).unwrap();
    std::os::unix::fs::symlink(outside.0.path(), tree.path("in/folder")).unwrap();
    std::os::unix::fs::symlink(tree.path("shared"), tree.path("in/inside")).unwrap();
    std::os::unix::fs::symlink(tree.path("in"), tree.path("in/loop")).unwrap();
    std::os::unix::fs::symlink("nowhere", tree.path("in/dangling.tif")).unwrap();
    let found = tree.found(&["in/**/*.tif"], &[]);
    assert_eq!(names(&found), ["in/a.tif", "in/inside/b.tif"]);
    assert_eq!(
        refusals(&found),
        [
            ("in/dangling.tif", "mk::discover::unreadable"),
            ("in/folder/secret.tif", "mk::discover::outside"),
            ("in/link.tif", "mk::discover::outside"),
            ("in/loop", "mk::discover::unreadable"),
        ]
    );
    // A folder that the pipeline itself names may be a link.
    std::os::unix::fs::symlink(outside.0.path(), tree.path("delivery")).unwrap();
    assert_eq!(names(&tree.found(&["delivery/*.tif"], &[])), ["delivery/secret.tif"]);
}

#[test]
fn what_is_being_written_waits() {
    let tree = Tree::new(&["in/a.tif", "in/b.tif.filepart", "in/c.tif.tmp", "in/notes.part"]);
    let found = tree.found(&["in/*.tif", "in/d.tif"], &[]);
    assert_eq!(names(&found), ["in/a.tif"]);
    assert_eq!(found.waiting, ["in/b.tif", "in/c.tif"]);
    tree.write("in/d.tif.part", b"");
    let found = tree.found(&["in/d.tif"], &[]);
    assert_eq!((found.waiting, found.unmatched.len()), (vec!["in/d.tif".to_owned()], 0));
    let patterns = ["in/a.tif".to_owned()];
    let young = Request { folder: tree.0.path(), patterns: &patterns, kind_patterns: &[], settle: Duration::from_hours(1) };
    assert_eq!(discover(&young, &mut NoCache).unwrap().waiting, ["in/a.tif"]);
}

#[test]
fn a_file_that_grows_while_it_is_read_waits() {
    let tree = Tree::new(&["a.tif"]);
    let stat = Stat::of(&std::fs::metadata(tree.path("a.tif")).unwrap());
    let candidate = Candidate { name: "a.tif".into(), path: tree.path("a.tif"), stat: Stat { size: 1, ..stat } };
    assert!(matches!(identify(&candidate, &NameFilter::new(&[]).unwrap()), Identified::Waiting));
    let gone = Candidate { name: "b.tif".into(), path: tree.path("b.tif"), stat };
    assert!(matches!(identify(&gone, &NameFilter::new(&[]).unwrap()), Identified::Waiting));
}

#[test]
fn an_unchanged_tree_is_not_read_again_and_nothing_is_put() {
    let tree = Tree::new(&["in/a.tif", "in/b.tif"]);
    tree.zip("in/c.zip", &[("x.tif", b"x"), ("y.txt", b"y")]);
    tree.write("in/broken.zip", b"PK\x03\x04");
    let mut cache = Memory::default();
    let first = tree.find(&["in/*"], &["*.tif"], &mut cache).unwrap();
    assert_eq!((cache.puts, cache.hits.get(), first.refused.len()), (3, 0, 1));
    let second = tree.find(&["in/*"], &["*.tif"], &mut cache).unwrap();
    assert_eq!((cache.puts, cache.hits.get()), (3, 3));
    assert_eq!(second.sources, first.sources);
    // What is broken is refused again, and what another kind wants is there too.
    assert_eq!(second.refused, first.refused);
    assert_eq!(names(&tree.find(&["in/c.zip"], &["*.txt"], &mut cache).unwrap()), ["in/c.zip!y.txt"]);
    // The same length, the same second: still seen as changed.
    tree.write("in/a.tif", b"in/A.tif");
    let third = tree.find(&["in/*"], &["*.tif"], &mut cache).unwrap();
    assert_eq!((cache.puts, third.sources[0].digest), (4, Digest::of(b"in/A.tif")));
}

#[test]
fn a_moved_tree_keeps_its_digests_under_its_new_path() {
    let tree = Tree::new(&["in/a.tif"]);
    let mut cache = Memory::default();
    tree.find(&["in/*"], &[], &mut cache).unwrap();
    for (_, sources) in cache.known.values_mut() {
        sources[0].path = PathBuf::from("/elsewhere/a.tif");
        sources[0].name = "elsewhere".into();
    }
    let found = tree.find(&["in/*"], &[], &mut cache).unwrap();
    assert_eq!((found.sources[0].path.clone(), names(&found)), (tree.path("in/a.tif"), vec!["in/a.tif"]));
}
