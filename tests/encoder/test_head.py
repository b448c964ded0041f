import pytest
import torch
from safetensors.torch import save_file

from ner_retriever_rag.encoder.head import ProjectionHead


def test_saves_and_loads(tmp_path):
    head = ProjectionHead((8, 6, 4), activation="gelu").eval()
    head.save(tmp_path)
    again = ProjectionHead.load(tmp_path)
    features = torch.randn(5, 8)
    torch.testing.assert_close(again(features), head(features))
    assert again.sizes == (8, 6, 4)
    assert again.digest() == head.digest() != ProjectionHead((8, 6, 4)).digest()


def test_loaded_head_normalizes_its_output_without_dropout(tmp_path):
    ProjectionHead((8, 6, 4), dropout=0.9).save(tmp_path)
    head = ProjectionHead.load(tmp_path)
    features = torch.randn(5, 8)
    torch.testing.assert_close(head(features).norm(dim=-1), torch.ones(5))
    assert torch.equal(head(features), head(features))


def test_linear_head(tmp_path):
    ProjectionHead((8, 3)).save(tmp_path)
    assert ProjectionHead.load(tmp_path).dim == 3


def test_loads_the_authors_head(shared):
    head = ProjectionHead.load(shared / "reference" / "contrastive_projection_head.pth")
    assert head.sizes == (1024, 500, 500)
    assert head.activation == "silu"


def test_loads_a_state_dict_with_the_authors_keys(tmp_path):
    weights = {
        "net.0.weight": torch.randn(6, 8), "net.0.bias": torch.randn(6),
        "net.3.weight": torch.randn(4, 6), "net.3.bias": torch.randn(4),
    }  # fmt: skip
    torch.save(weights, tmp_path / "head.pth")
    features = torch.randn(2, 8)
    inner = torch.nn.functional.silu(features @ weights["net.0.weight"].T + weights["net.0.bias"])
    outer = inner @ weights["net.3.weight"].T + weights["net.3.bias"]
    expected = torch.nn.functional.normalize(outer, dim=-1)
    torch.testing.assert_close(ProjectionHead.load(tmp_path / "head.pth")(features), expected)


def test_files_without_a_head_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        ProjectionHead.load(tmp_path / "none.pth")
    torch.save({"weight": torch.randn(3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="holds no projection head"):
        ProjectionHead.load(tmp_path / "other.pth")
    ProjectionHead((8, 3)).save(tmp_path)
    save_file({"net.0.weight": torch.randn(2, 2)}, tmp_path / "head.safetensors")
    with pytest.raises(ValueError, match="does not hold this projection head"):
        ProjectionHead.load(tmp_path)
    (tmp_path / "head.safetensors").write_bytes(b"garbage")
    with pytest.raises(ValueError, match="not a safetensors file"):
        ProjectionHead.load(tmp_path)


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("ran",))

    torch.save(Evil(), tmp_path / "evil.pth")
    with pytest.raises(Exception, match="[Ww]eights.only"):
        ProjectionHead.load(tmp_path / "evil.pth")


def test_invalid_sizes_and_activation_are_refused():
    with pytest.raises(ValueError, match="sizes"):
        ProjectionHead((8,))
    with pytest.raises(ValueError, match="activation"):
        ProjectionHead((8, 4), activation="step")
